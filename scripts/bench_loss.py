"""Measures ways to the smoothed loss and its gradient side by side; writes results/benchmarks/loss-DEVICE.*

    python scripts/bench_loss.py                    # a minute on a GPU, some ten on two cores
    python scripts/bench_loss.py --quick            # does it run? Its figures mean nothing

Ways: PyTorch's own (eager), the same under torch.compile, lsbench with autograd and in one call
(loss_and_gradient), on a GPU also Liger's where it is installed (pip install liger-kernel), and each of
them but Liger, which asks values, replayed from a CUDA graph. They take turns (A B C A B C ...), and each
ratio is taken within a turn; eager is timed twice a turn, and the second one's ratio shows the noise. On a
CPU seconds are those of the process, with one thread; on a GPU they are between events, and inputs rotate
through more than three times its second-level cache, or 200 of them.

`times eager` is how many times as fast as eager a way is. `bytes` are what it has to move at least: 2NKb
where loss and gradient come of one pass, 3NKb where it comes back to the logits or to log-probabilities (as
lsbench's one call does on a GPU above 1,024 classes), 9NKb for eager PyTorch's launches (b bytes a number).
`of copy` is bytes a second as a share of a copy's, measured in the same turn. `error` is the largest of the
gradient's in 64 rows, against float64, relative to the largest gradient.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from bench_common import write_files
from torch import Tensor

from lsbench.ops import loss_and_gradient, smoothed_cross_entropy
from lsbench.ops._dispatch import CPU_NUMBERS

TILE = 1024  # the most classes that lsbench's kernels for a GPU pass over once
ALPHA = 0.1
SHAPES = ((128, 10), (8192, 10), (8192, 100), (8192, 1000), (4096, 32000), (4096, 131072))
# On a CPU a row takes as long whether 4096 or 256 of them follow, and memory is what there is less of.
CPU_SHAPES = ((128, 10), (8192, 10), (8192, 100), (4096, 1000), (512, 32000), (128, 131072))
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MOVED = {"eager": 9, "eager again": 9, "compiled": 3, "lsbench": 3, "lsbench fused": 2, "liger": 3}
Step = Callable[[Tensor, Tensor], Tensor]  # logits and target to the gradient of the mean


@dataclass(frozen=True)
class Row:
    """One way at one shape; microseconds and ratios are medians with the least and the greatest of turns."""

    rows: int
    classes: int
    dtype: str
    way: str
    graphed: bool
    us: float
    us_min: float
    us_max: float
    bytes: int
    share: float
    times_eager: float
    times_eager_min: float
    times_eager_max: float
    times_compiled: float
    peak_mib: float | None
    error: float


def autograd(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


def eager(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, label_smoothing=ALPHA)


def fused(logits: Tensor, target: Tensor) -> Tensor:
    return loss_and_gradient(logits, target, ALPHA, scale=1 / len(target))[1]


def ways(device: str) -> dict[str, Step]:
    """Every way by its name; what is compiled is compiled for each shape anew."""
    torch._dynamo.reset()
    found: dict[str, Step] = {
        "eager": partial(autograd, eager),
        "lsbench": partial(autograd, lambda logits, target: smoothed_cross_entropy(logits, target, ALPHA)),
        "lsbench fused": fused,
        "compiled": partial(autograd, torch.compile(eager)),
        "eager again": partial(autograd, eager),
    }
    if device == "cuda" and find_spec("liger_kernel"):
        liger = import_module("liger_kernel.transformers.functional").liger_cross_entropy
        found["liger"] = partial(
            autograd, lambda logits, target: liger(logits, target, label_smoothing=ALPHA)
        )
    return found


class Replayed:
    """``step`` on all of ``inputs`` as one CUDA graph, which the first of as many calls replays."""

    def __init__(self, step: Step, inputs: list[tuple[Tensor, Tensor]]):
        self.graph, self.called = torch.cuda.CUDAGraph(), 0
        with torch.cuda.graph(self.graph):
            self.results = [step(*each) for each in inputs]

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.called % len(self.results) == 0:
            self.graph.replay()
        self.called += 1
        return self.results[(self.called - 1) % len(self.results)]


def seconds(device: str, step: Step, inputs: Iterator[tuple[Tensor, Tensor]], calls: int) -> float:
    """The mean of ``calls`` calls, each on the next of the inputs."""
    if device == "cpu":
        started = time.process_time()
        for _ in range(calls):
            step(*next(inputs))
        return (time.process_time() - started) / calls
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    first.record()
    for _ in range(calls):
        step(*next(inputs))
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1000 / calls


def peak(device: str, step: Step, inputs: tuple[Tensor, Tensor]) -> float | None:
    """MiB that a call takes beyond its inputs, its gradient included."""
    if device == "cpu":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(*inputs)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def rotating(device: str, shape: tuple[int, int], dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Inputs that together are more than three times a GPU's second-level cache; one on a CPU."""
    size = shape[0] * shape[1] * dtype.itemsize
    cache = torch.cuda.get_device_properties(0).L2_cache_size if device == "cuda" else 0
    count = min(3 * cache // size + 1, 200)
    generator = torch.Generator(device).manual_seed(0)
    return [
        (
            torch.randn(shape, generator=generator, device=device).to(dtype),
            torch.randint(shape[1], shape[:1], generator=generator, device=device),
        )
        for _ in range(count)
    ]


def error(gradient: Tensor, inputs: tuple[Tensor, Tensor]) -> float:
    """Of the first 64 rows of the ``gradient`` for ``inputs``."""
    logits, target = inputs[0][:64], inputs[1][:64]
    exact = autograd(eager, logits.double(), target) * (len(logits) / len(inputs[0]))
    return ((gradient[:64].double() - exact).abs().max() / exact.abs().max()).item()


def bench(device: str, shape: tuple[int, int], name: str, turns: int, budget: float) -> list[Row]:
    """All ways at one shape; ``budget`` seconds are what eager may take a turn."""
    inputs = rotating(device, shape, DTYPES[name])
    own = {"liger": [tuple(map(torch.clone, each)) for each in inputs]}  # which it writes over
    steps = {(way, False): step for way, step in ways(device).items()}
    errors, peaks = {}, {}
    for (way, graphed), step in steps.items():
        errors[way, graphed] = error(step(*own.get(way, inputs)[0]), inputs[0])
        for _ in range(3):
            step(*own.get(way, inputs)[-1])
        peaks[way, graphed] = peak(device, step, own.get(way, inputs)[-1])
    if device == "cuda":
        for way in [way for way, _ in steps if way not in own]:
            steps[way, True] = replayed = Replayed(steps[way, False], inputs)
            errors[way, True], peaks[way, True] = error(replayed(*inputs[0]), inputs[0]), None
            replayed.called = 0
    copy_to = torch.empty_like(inputs[0][0])
    steps["copy", False] = lambda logits, target: copy_to.copy_(logits)
    places = {(way, graphed): cycle(own.get(way, inputs)) for way, graphed in steps}
    one = seconds(device, steps["eager", False], places["eager", False], 3)
    rounds = max(1, min(int(budget / one), 500) // len(inputs))
    calls = rounds * len(inputs)  # so that a graph of all inputs is replayed whole
    times: dict[tuple[str, bool], list[float]] = {key: [] for key in steps}
    for _ in range(turns + 1):
        for key, step in steps.items():
            times[key].append(seconds(device, step, places[key], calls))
    times = {key: values[1:] for key, values in times.items()}
    size = shape[0] * shape[1] * DTYPES[name].itemsize
    rates = [2 * size / value for value in times.pop(("copy", False))]
    made = []
    for (way, graphed), values in times.items():
        against = [a / b for a, b in zip(times["eager", False], values, strict=True)]
        compiled = [a / b for a, b in zip(times["compiled", False], values, strict=True)]
        bytes_moved = moved(way, shape, device) * size
        shares = [bytes_moved / value / rate for value, rate in zip(values, rates, strict=True)]
        micro = [1e6 * value for value in values]
        made.append(
            Row(*shape, name, way, graphed, median(micro), min(micro), max(micro), bytes_moved,
                median(shares), median(against), min(against), max(against), median(compiled),
                peaks[way, graphed], errors[way, graphed])
        )  # fmt: skip
    return made


def moved(way: str, shape: tuple[int, int], device: str) -> int:
    """How often [N,K] is read or written, as counted."""
    if device == "cpu" and way == "lsbench" and shape[0] * shape[1] >= CPU_NUMBERS:
        return 2  # once each: the gradient is made along with the loss
    if device == "cuda" and way == "lsbench fused" and shape[1] > TILE:
        return 3
    return MOVED[way]


def table(rows: list[Row], turns: int) -> list[str]:
    lines = [
        f"Medians of {turns} interleaved turns, with the least and the greatest; times is how much faster.",
        "",
        "| rows | classes | type | way | µs | bytes | of copy | times eager | times compiled | MiB | error |",
        "| ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        way = f"{r.way}, graph" if r.graphed else r.way
        micro = f"{r.us:.4g} [{r.us_min:.4g}, {r.us_max:.4g}]"
        eager_times = f"{r.times_eager:.2f} [{r.times_eager_min:.2f}, {r.times_eager_max:.2f}]"
        mib = "" if r.peak_mib is None else f"{r.peak_mib:.1f}"
        lines.append(
            f"| {r.rows} | {r.classes} | {r.dtype} | {way} | {micro} | {r.bytes:.3g} | {r.share:.2f} | "
            f"{eager_times} | {r.times_compiled:.2f} | {mib} | {r.error:.1e} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=device)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one turn of the three smallest shapes")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    device, turns = options.device, 1 if options.quick else options.turns
    shapes = (SHAPES if device == "cuda" else CPU_SHAPES)[: 3 if options.quick else None]
    if device == "cpu":
        torch.set_num_threads(1)
    place = torch.cuda.get_device_name() if device == "cuda" else "CPU, one thread"
    name = "loss-" + (place.lower().replace(" ", "-") if device == "cuda" else "cpu")
    command = shlex.join(["python", *sys.argv])
    rows, text = [], ""
    for shape in shapes:
        for dtype in DTYPES:
            rows += (found := bench(device, shape, dtype, turns, budget=0.01 if options.quick else 0.3))
            shown = (f"{r.way}{' graph' * r.graphed} {r.times_eager:.2f}" for r in found)
            print(*shape, dtype, ", ".join(shown), flush=True)
            tidy = list(map(asdict, rows))  # after each, for what may still run out of memory
            text = write_files(options.out, name, tidy, table(rows, turns), command=command, device=place)
    print(text)


if __name__ == "__main__":
    main()
