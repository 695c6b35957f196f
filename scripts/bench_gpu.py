"""Measures ways of training side by side; writes results/benchmarks/gpu-DEVICE.*

    python scripts/bench_gpu.py                     # minutes on a GPU
    python scripts/bench_gpu.py --quick             # does it run? Its figures mean nothing

Ways: a loop as a knower of PyTorch writes it (baseline_resident.py), plain and under torch.compile, and lsbench:
one run, without and with CUDA graphs and with augmentation, and several at once as one pass (vmap) or each on
a stream. They take turns (A B C A B C ...), an epoch each, after as many as it takes until kernels are chosen
and compiled and all steps recorded. Images are noise, of MNIST's or CIFAR-10's shape: what they show does not
change what they cost.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from bench_common import write_files
from baseline_resident import Loop

from lsbench.config import DataConfig, Run
from lsbench.terms import Splits
from lsbench.training.cuda_graphs import WARM_UP
from lsbench.training.stack import Stack

CLASSES = 10
HELD_OUT = 100  # rows of each split but train


@dataclass(frozen=True)
class Network:
    """What is trained, and in which ways: so many members by way; 1 is a run alone."""

    name: str
    target: str
    options: dict[str, object]
    shape: tuple[int, int, int]
    images: int
    batch: int
    precision: str
    members: tuple[tuple[str, int], ...]


MLP, RESNET = "lsbench.models.mlp.MLP", "lsbench.models.resnet.ResNet"
DIGITS, PHOTOS = ((1, 28, 28), 60_000), ((3, 32, 32), 50_000)
EIGHT, FOUR = (("vmap", 8), ("streams", 8)), (("vmap", 4), ("streams", 4))
NETWORKS = (
    Network("mlp", MLP, {"hidden": [256]}, *DIGITS, 128, "fp32", (("vmap", 40),)),
    Network("resnet8", RESNET, {"depth": 8}, *PHOTOS, 128, "bf16", EIGHT),
    Network("resnet20", RESNET, {"depth": 20}, *PHOTOS, 128, "bf16", EIGHT),
    Network("resnet18", "lsbench.models.resnet.resnet18", {}, *PHOTOS, 512, "bf16", FOUR),
)


@dataclass(frozen=True)
class Row:
    """One way with one network; seconds an epoch of one run are medians with the least and the greatest of
    turns, and so are the times that a graphed run alone takes of them."""

    network: str
    batch: int
    precision: str
    way: str
    members: int
    seconds: float
    seconds_min: float
    seconds_max: float
    images_per_second: float
    faster: float
    faster_min: float
    faster_max: float
    peak_mib: float | None


class Lsbench:
    """A stack; calling it trains for an epoch."""

    def __init__(self, runs: Sequence[Run], splits: Splits, device: torch.device, *, graphs: bool, way: str):
        self.stack = Stack(runs, splits, device, graphs=graphs, strategy=way)

    def __call__(self) -> None:
        for _ in self.stack.steps(epoch=0):
            pass


def data(network: Network, images: int) -> Splits:
    random = np.random.default_rng(0)
    rows = images + 3 * HELD_OUT
    pixels = random.integers(0, 256, (rows, *network.shape), dtype=np.uint8)
    return Splits(pixels, np.arange(rows) % CLASSES, None, None, tuple("0123456789"))


def ways(
    network: Network, splits: Splits, images: int, device: torch.device
) -> dict[tuple[str, int], Callable[[], Callable[[], None]]]:
    """What makes each way ready, by its name and members."""
    settings = DataConfig("noise", "", select=HELD_OUT, calibrate=HELD_OUT, test=HELD_OUT, shift=4, flip=True)
    model = {"name": network.name, "_target_": network.target, **network.options}
    run = Run(data=settings, model=model, alpha=0.1, batch_size=network.batch, precision=network.precision)
    runs = [replace(run, seed=seed) for seed in range(max(size for _, size in network.members))]
    pixels, labels = (torch.from_numpy(a[:images]) for a in (splits.train_images, splits.train_labels))
    graphs = device.type == "cuda"
    found: dict[tuple[str, int], Callable[[], Callable[[], None]]] = {
        ("a loop", 1): lambda: Loop(run, pixels, labels, device, compiled=False),
        ("a loop, compiled", 1): lambda: Loop(run, pixels, labels, device, compiled=True),
        ("lsbench", 1): lambda: Lsbench(runs[:1], splits, device, graphs=False, way="vmap"),
    }
    if graphs:
        found["lsbench, graph", 1] = lambda: Lsbench(runs[:1], splits, device, graphs=True, way="vmap")
    augmented = [replace(run, augment=1.0)]
    found["lsbench, augmented" + ", graph" * graphs, 1] = lambda: Lsbench(
        augmented, splits, device, graphs=graphs, way="vmap"
    )
    for way, size in network.members:
        name = f"lsbench, {'graph, ' * graphs}{way}"
        found[name, size] = lambda way=way, size=size: Lsbench(
            runs[:size], splits, device, graphs=graphs, way=way
        )
    return found


def timed(epoch: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def bench(network: Network, images: int, device: torch.device, turns: int) -> list[Row]:
    splits = data(network, images)
    epochs, peaks = {}, {}
    for key, make in ways(network, splits, images, device).items():
        before = torch.cuda.memory_allocated() if device.type == "cuda" else 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        epochs[key] = make()
        first = WARM_UP + 2 if device.type == "cuda" else 1  # epochs, of which each has one short batch
        for _ in range(first):
            timed(epochs[key], device)
        peaks[key] = (torch.cuda.max_memory_allocated() - before) / 2**20 if device.type == "cuda" else None
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in epochs}
    for _ in range(turns):
        for key, epoch in epochs.items():
            seconds[key].append(timed(epoch, device) / key[1])
    alone = seconds["lsbench, graph" if device.type == "cuda" else "lsbench", 1]
    rows = []
    for (way, members), values in seconds.items():
        faster = [one / each for one, each in zip(alone, values, strict=True)]
        rows.append(
            Row(network.name, network.batch, network.precision, way, members, median(values), min(values),
                max(values), images / median(values), median(faster), min(faster), max(faster),
                peaks[way, members])
        )  # fmt: skip
    return rows


def table(rows: list[Row], images: dict[str, int], turns: int) -> list[str]:
    sizes = ", ".join(f"{name} {count:,}" for name, count in images.items())
    lines = [
        f"Seconds an epoch of one run, and how many times faster that is than lsbench's single run above it: "
        f"medians of {turns} interleaved turns, with the least and the greatest. Images: {sizes}.",
        "",
        "| network | batch | precision | way | runs at once | seconds | times | images/s | MiB |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        seconds = f"{r.seconds:.3g} [{r.seconds_min:.3g}, {r.seconds_max:.3g}]"
        faster = f"{r.faster:.2f} [{r.faster_min:.2f}, {r.faster_max:.2f}]"
        mib = "" if r.peak_mib is None else f"{r.peak_mib:.0f}"
        lines.append(
            f"| {r.network} | {r.batch} | {r.precision} | {r.way} | {r.members} | {seconds} | {faster} | "
            f"{r.images_per_second:,.0f} | {mib} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=device)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one turn of small epochs")
    parser.add_argument("--only", nargs="+", metavar="NETWORK", help="of mlp resnet8 resnet20 resnet18")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # as in lsbench, so that the loop has it too
    place, turns = torch.device(options.device), 1 if options.quick else options.turns
    chosen = [network for network in NETWORKS if network.name in (options.only or network.name)]
    images = {each.name: 2 * each.batch if options.quick else each.images for each in chosen}
    rows = []
    for network in chosen:
        rows += (found := bench(network, images[network.name], place, turns))
        print(network.name, ", ".join(f"{r.way} {r.seconds:.3g} s" for r in found), flush=True)
    name = torch.cuda.get_device_name() if place.type == "cuda" else "CPU"
    command = shlex.join(["python", *sys.argv])
    slug = name.lower().replace(" ", "-")
    write_files(
        options.out, f"gpu-{slug}", list(map(asdict, rows)), table(rows, images, turns), command, name
    )


if __name__ == "__main__":
    main()
