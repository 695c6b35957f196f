#!/usr/bin/env bash
# Real runs on full data sets, for results/: 784-256-10 on MNIST and Fashion-MNIST, ResNet-8 on CIFAR-10 as JPEG.
#
#   scripts/real_data.sh MNIST_ROOT CIFAR_JPEG_ROOT
#
# MNIST_ROOT holds MNIST/raw/*.gz; Fashion-MNIST is found where `lsbench data where` says; CIFAR_JPEG_ROOT holds
# train/CLASS/*.jpg and test/CLASS/*.jpg. About eight minutes on two cores.
set -euo pipefail
mnist=${1:?"usage: scripts/real_data.sh MNIST_ROOT CIFAR_JPEG_ROOT"}
cifar=${2:?"usage: scripts/real_data.sh MNIST_ROOT CIFAR_JPEG_ROOT"}

lsbench train -m name=mnist-mlp data=mnist data.root="$mnist" alpha=0,0.1 seed=0,1,2,3,4
lsbench train -m name=fashion_mnist-mlp data=fashion_mnist alpha=0,0.1 seed=0,1,2,3,4
lsbench train -m name=cifar10-jpeg-resnet8 data=folder data.name=cifar10-jpeg data.root="$cifar" \
    data.select=2500 data.calibrate=2500 model=resnet8 epochs=1 alpha=0,0.1
