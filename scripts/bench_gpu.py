"""Measure training strategies side by side and write results/benchmarks/gpu-DEVICE.*

    python scripts/bench_gpu.py                     # minutes on a GPU
    python scripts/bench_gpu.py --quick             # a short trial, whose figures mean nothing

Strategies: an idiomatic PyTorch loop (baseline_resident.py), plain and under torch.compile; and lsbench: one
run, without and with CUDA graphs and with augmentation, and several runs at once as one vectorised forward
pass (vmap) or each on a stream. They take turns (A B C A B C ...), an epoch each, after warm-up epochs in
which kernels are chosen and compiled and all steps recorded. Images are noise, of MNIST's or CIFAR-10's
shape: their content does not change the cost.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from baseline_resident import Loop
from bench_common import interval, parser, spread, table, write_files

from lsbench.config import DataConfig, Run
from lsbench.terms import Splits
from lsbench.training.cuda_graphs import WARM_UP
from lsbench.training.stack import Stack

CLASSES = 10
HELD_OUT = 100  # rows of each split but train


@dataclass(frozen=True)
class Network:
    """A network, its data and precision, and the strategies for several members with their number."""

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


Row = dict[str, Any]
Epoch = Callable[[], None]
Key = tuple[str, int]  # a strategy's name and its number of members


def data(network: Network, images: int) -> Splits:
    random = np.random.default_rng(0)
    rows = images + 3 * HELD_OUT
    pixels = random.integers(0, 256, (rows, *network.shape), dtype=np.uint8)
    return Splits(pixels, np.arange(rows) % CLASSES, None, None, tuple("0123456789"))


def strategies(
    network: Network, splits: Splits, images: int, device: torch.device
) -> dict[Key, Callable[[], Epoch]]:
    """For each strategy a function that prepares it and returns the one that trains for an epoch."""
    settings = DataConfig("noise", "", select=HELD_OUT, calibrate=HELD_OUT, test=HELD_OUT, shift=4, flip=True)
    model = {"name": network.name, "_target_": network.target, **network.options}
    run = Run(data=settings, model=model, alpha=0.1, batch_size=network.batch, precision=network.precision)
    runs = [replace(run, seed=seed) for seed in range(max(members for _, members in network.members))]
    pixels, labels = (torch.from_numpy(a[:images]) for a in (splits.train_images, splits.train_labels))
    has_graphs = device.type == "cuda"
    graph = ", graph" if has_graphs else ""

    def loop(*, compiled: bool) -> Callable[[], Epoch]:
        return lambda: Loop(run, pixels, labels, device, compiled=compiled)

    def lsbench(members: Sequence[Run], *, graphs: bool, strategy: str = "vmap") -> Callable[[], Epoch]:
        def prepare() -> Epoch:
            stack = Stack(members, splits, device, graphs=graphs, strategy=strategy)

            def train_epoch() -> None:
                for _ in stack.steps(epoch=0):
                    pass

            return train_epoch

        return prepare

    prepared = {
        ("a loop", 1): loop(compiled=False),
        ("a loop, compiled", 1): loop(compiled=True),
        ("lsbench", 1): lsbench(runs[:1], graphs=False),
    }
    if has_graphs:
        prepared["lsbench, graph", 1] = lsbench(runs[:1], graphs=True)
    augmented = [replace(run, augment=1.0)]
    prepared[f"lsbench, augmented{graph}", 1] = lsbench(augmented, graphs=has_graphs)
    for strategy, members in network.members:
        stacked = lsbench(runs[:members], graphs=has_graphs, strategy=strategy)
        prepared[f"lsbench{graph}, {strategy}", members] = stacked
    return prepared


def timed(epoch: Epoch, device: torch.device) -> float:
    """Seconds of one epoch."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def bench(network: Network, images: int, device: torch.device, turns: int) -> list[Row]:
    """A row for each strategy with one network: seconds per epoch of one run, and how many times as fast as
    lsbench's single run that is, as median, minimum and maximum over turns."""
    splits = data(network, images)
    is_gpu = device.type == "cuda"
    epochs: dict[Key, Epoch] = {}
    peaks: dict[Key, float | None] = {}
    for key, prepare in strategies(network, splits, images, device).items():
        before = torch.cuda.memory_allocated() if is_gpu else 0
        if is_gpu:
            torch.cuda.reset_peak_memory_stats()
        epochs[key] = prepare()
        for _ in range(WARM_UP + 2 if is_gpu else 1):  # each epoch has one short batch
            timed(epochs[key], device)
        peaks[key] = (torch.cuda.max_memory_allocated() - before) / 2**20 if is_gpu else None
    seconds: dict[Key, list[float]] = {key: [] for key in epochs}
    for _ in range(turns):
        for key, epoch in epochs.items():
            _, members = key
            seconds[key].append(timed(epoch, device) / members)
    single = seconds["lsbench, graph" if is_gpu else "lsbench", 1]
    return [
        {
            "network": network.name, "batch": network.batch, "precision": network.precision,
            "strategy": strategy, "members": members,
            **spread(values, "seconds"),
            "images_per_second": images / median(values),
            **spread([a / b for a, b in zip(single, values, strict=True)], "faster"),
            "peak_mib": peaks[strategy, members],
        }
        for (strategy, members), values in seconds.items()
    ]  # fmt: skip


def text(rows: list[Row], images: dict[str, int], turns: int) -> list[str]:
    """The table with a line above it."""
    sizes = ", ".join(f"{name} {count:,}" for name, count in images.items())
    cells = [
        (
            *(row["network"], row["batch"], row["precision"], row["strategy"], row["members"]),
            *(interval(row, "seconds", ".3g"), interval(row, "faster", ".2f")),
            f"{row['images_per_second']:,.0f}",
            "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}",
        )
        for row in rows
    ]
    heading = (
        "Seconds per epoch of one run, and how many times as fast as lsbench's single run that is: medians "
        f"of {turns} interleaved turns, with minimum and maximum. Images: {sizes}."
    )
    titles = "network | batch: | precision | strategy | runs at once: | seconds: | times: | images/s: | MiB:"
    return [heading, "", *table(titles, cells)]


def main() -> None:
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu", "cuda")
    options_of = parser(__doc__, turns=5, devices=devices)
    options_of.add_argument("--only", nargs="+", metavar="NETWORK", help="of mlp resnet8 resnet20 resnet18")
    options = options_of.parse_args()
    torch.backends.cudnn.benchmark = True  # as in lsbench, so that the loop has it too
    device, turns = torch.device(options.device), 1 if options.quick else options.turns
    networks = [network for network in NETWORKS if network.name in (options.only or network.name)]
    images = {network.name: 2 * network.batch if options.quick else network.images for network in networks}
    rows: list[Row] = []
    for network in networks:
        measured = bench(network, images[network.name], device, turns)
        shown = (f"{row['strategy']} {row['seconds']:.3g} s" for row in measured)
        print(network.name, ", ".join(shown), flush=True)
        rows += measured
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    slug = name.lower().replace(" ", "-")
    write_files(options.out, f"gpu-{slug}", rows, text(rows, images, turns), name)


if __name__ == "__main__":
    main()
