#!/usr/bin/env bash
# Makes the results on full data sets: all of results/ but benchmarks/ and what is on mnist5k.
#
#   scripts/reproduce_full_data.sh MNIST_ROOT CIFAR_JPEG_ROOT [PART ...]
#
# MNIST_ROOT holds MNIST/raw/*.gz; Fashion-MNIST is where `lsbench data where` says; CIFAR_JPEG_ROOT holds
# train/CLASS/*.jpg and test/CLASS/*.jpg. PART is mnist, fashion, replication, claims or cifar; without one, all of
# them are made, in some four hours on two cores. After an interruption, the same command resumes.
set -euo pipefail
mnist=${1:?"usage: scripts/reproduce_full_data.sh MNIST_ROOT CIFAR_JPEG_ROOT [PART ...]"}
cifar=${2:?"usage: scripts/reproduce_full_data.sh MNIST_ROOT CIFAR_JPEG_ROOT [PART ...]"}

mnist() { lsbench compare data=mnist data.root="$mnist" 'seed=range(10)'; }

fashion() { lsbench compare data=fashion_mnist 'seed=range(10)'; }

# The network and the α of the MNIST table in re-labelsmoothing, a replication of Müller et al. 2019.
replication() {
    lsbench train -m name=replication-mnist data=mnist data.root="$mnist" 'model.hidden=[1200,1200]' \
        alpha=0,0.05,0.1,0.15,0.3 seed=0,1,2
    python "$(dirname "$0")/compare_published.py" results/replication-mnist
}

claims() { lsbench claims data=mnist data.root="$mnist"; }

# CIFAR-10 encoded as JPEG, about 30 dB from the original. Seven epochs take two hours of CPU.
cifar() {
    lsbench compare name=cifar10-jpeg-resnet8 data=folder data.name=cifar10-jpeg data.root="$cifar" \
        data.select=2500 data.calibrate=2500 model=resnet8 epochs=7 alpha=0,0.1 seed=0,1,2
}

shift 2
if [ $# = 0 ]; then set -- mnist fashion replication claims cifar; fi
for part; do "$part"; done
