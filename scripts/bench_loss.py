"""Measure implementations of the smoothed loss and its gradient; write results/benchmarks/loss-DEVICE.*

    python scripts/bench_loss.py                    # a minute on a GPU, about ten on two cores
    python scripts/bench_loss.py --quick            # a short trial, whose figures mean nothing

Implementations: PyTorch's own (eager); the same under torch.compile; lsbench with autograd, and in one call
(loss_and_gradient); on a GPU also Liger's if it is installed (pip install liger-kernel); and each of them but
Liger, which reads values on the host, replayed from a CUDA graph. They take turns (A B C A B C ...), and each
ratio is taken within a turn; eager is timed twice per turn, and the ratio of the second shows the noise. On a
CPU, seconds are process time with one thread; on a GPU they are between events, and inputs rotate through
more than three times its L2 cache, or 200 of them.

`times eager` is how many times as fast as eager an implementation is. `bytes` is the least that it has to
move: 2NKb if loss and gradient come from one pass, 3NKb if it returns to the logits or to log-probabilities
(as lsbench's one call does on a GPU above 1,024 classes), 9NKb for the launches of eager PyTorch (b bytes per
number). `of copy` is bytes per second as a share of a copy's, measured in the same turn. `error` is the
largest error of the gradient in 64 rows, against float64, relative to the largest gradient.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from bench_common import interval, parser, spread, table, write_files
from torch import Tensor

from lsbench.ops import loss_and_gradient, smoothed_cross_entropy
from lsbench.ops._dispatch import CPU_ELEMENTS

TILE = 1024  # classes up to which lsbench's GPU kernels read a row once
ALPHA = 0.1
SHAPES = ((128, 10), (8192, 10), (8192, 100), (8192, 1000), (4096, 32000), (4096, 131072))
# On a CPU the time per row does not depend on the number of rows, and there may be less memory.
CPU_SHAPES = ((128, 10), (8192, 10), (8192, 100), (4096, 1000), (512, 32000), (128, 131072))
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MOVED = {"eager": 9, "eager again": 9, "compiled": 3, "lsbench": 3, "lsbench fused": 2, "liger": 3}
Key = tuple[str, bool]  # an implementation, and whether it is replayed from a CUDA graph
Row = dict[str, Any]
Step = Callable[[Tensor, Tensor], Tensor]  # (logits, target) -> gradient of the mean loss


def autograd(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


def eager(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, label_smoothing=ALPHA)


def fused(logits: Tensor, target: Tensor) -> Tensor:
    return loss_and_gradient(logits, target, ALPHA, scale=1 / len(target))[1]


def implementations(device: str) -> dict[str, Step]:
    """Every implementation by its name; torch.compile starts again for each shape."""
    torch._dynamo.reset()
    steps: dict[str, Step] = {
        "eager": partial(autograd, eager),
        "lsbench": partial(autograd, lambda logits, target: smoothed_cross_entropy(logits, target, ALPHA)),
        "lsbench fused": fused,
        "compiled": partial(autograd, torch.compile(eager)),
        "eager again": partial(autograd, eager),
    }
    if device == "cuda" and find_spec("liger_kernel"):
        liger = import_module("liger_kernel.transformers.functional").liger_cross_entropy
        steps["liger"] = partial(
            autograd, lambda logits, target: liger(logits, target, label_smoothing=ALPHA)
        )
    return steps


class Replayed:
    """``step`` on all of ``inputs`` as one CUDA graph; one call in len(inputs) replays it."""

    def __init__(self, step: Step, inputs: list[tuple[Tensor, Tensor]]):
        self.graph, self.called = torch.cuda.CUDAGraph(), 0
        with torch.cuda.graph(self.graph):
            self.results = [step(*pair) for pair in inputs]

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
    """Peak memory of a call in MiB beyond its inputs, with its gradient."""
    if device == "cpu":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(*inputs)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def rotating(device: str, shape: tuple[int, int], dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Inputs that together are more than three times a GPU's L2 cache; one on a CPU."""
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
    """The largest relative error in the first 64 rows of the ``gradient`` for ``inputs``."""
    logits, target = inputs[0][:64], inputs[1][:64]
    exact = autograd(eager, logits.double(), target) * (len(logits) / len(inputs[0]))
    return ((gradient[:64].double() - exact).abs().max() / exact.abs().max()).item()


def bench(device: str, shape: tuple[int, int], dtype: str, turns: int, budget: float) -> list[Row]:
    """A row for each implementation at one shape: µs and ratios as median, minimum and maximum over turns.
    Eager may take ``budget`` seconds per turn."""
    inputs = rotating(device, shape, DTYPES[dtype])
    copies = {"liger": [(logits.clone(), target.clone()) for logits, target in inputs]}  # it writes on them
    steps = {(name, False): step for name, step in implementations(device).items()}
    errors: dict[Key, float] = {}
    peaks: dict[Key, float | None] = {}
    for key, step in steps.items():
        pairs = copies.get(key[0], inputs)
        errors[key] = error(step(*pairs[0]), inputs[0])
        for _ in range(3):
            step(*pairs[-1])
        peaks[key] = peak(device, step, pairs[-1])
    if device == "cuda":
        for name in [name for name, _ in steps if name not in copies]:
            steps[name, True] = replayed = Replayed(steps[name, False], inputs)
            errors[name, True], peaks[name, True] = error(replayed(*inputs[0]), inputs[0]), None
            replayed.called = 0
    copy_to = torch.empty_like(inputs[0][0])
    steps["copy", False] = lambda logits, target: copy_to.copy_(logits)
    rotations = {key: cycle(copies.get(key[0], inputs)) for key in steps}
    eager_seconds = seconds(device, steps["eager", False], rotations["eager", False], 3)
    rounds = max(1, min(int(budget / eager_seconds), 500) // len(inputs))
    calls = rounds * len(inputs)  # so that a graph of all inputs is replayed whole
    times: dict[Key, list[float]] = {key: [] for key in steps}
    for _ in range(turns + 1):
        for key, step in steps.items():
            times[key].append(seconds(device, step, rotations[key], calls))
    times = {key: values[1:] for key, values in times.items()}  # the first turn is a warm-up
    size = shape[0] * shape[1] * DTYPES[dtype].itemsize
    rates = [2 * size / value for value in times.pop(("copy", False))]
    rows = []
    for (name, graphed), values in times.items():
        bytes_moved = moved(name, shape, device) * size
        shares = [bytes_moved / value / rate for value, rate in zip(values, rates, strict=True)]
        rows.append({
            "rows": shape[0], "classes": shape[1], "dtype": dtype, "implementation": name, "graphed": graphed,
            **spread([1e6 * value for value in values], "us"),
            "bytes": bytes_moved, "share": median(shares),
            **spread(ratios(times["eager", False], values), "times_eager"),
            "times_compiled": median(ratios(times["compiled", False], values)),
            "peak_mib": peaks[name, graphed], "error": errors[name, graphed],
        })  # fmt: skip
    return rows


def ratios(slow: list[float], fast: list[float]) -> list[float]:
    return [a / b for a, b in zip(slow, fast, strict=True)]


def moved(name: str, shape: tuple[int, int], device: str) -> int:
    """The number of times that an implementation has to read or write [N,K]."""
    if device == "cpu" and name == "lsbench" and shape[0] * shape[1] >= CPU_ELEMENTS:
        return 2  # once each: the gradient is made along with the loss
    if device == "cuda" and name == "lsbench fused" and shape[1] > TILE:
        return 3
    return MOVED[name]


def label_of(row: Row) -> str:
    return row["implementation"] + (", graph" if row["graphed"] else "")


def text(rows: list[Row], turns: int) -> list[str]:
    """The table with a line above it."""
    cells = [
        (
            *(row["rows"], row["classes"], row["dtype"], label_of(row), interval(row, "us", ".4g")),
            *(f"{row['bytes']:.3g}", f"{row['share']:.2f}", interval(row, "times_eager", ".2f")),
            f"{row['times_compiled']:.2f}",
            "" if row["peak_mib"] is None else f"{row['peak_mib']:.1f}",
            f"{row['error']:.1e}",
        )
        for row in rows
    ]
    words = "rows: | classes: | type | implementation"
    numbers = "µs: | bytes: | of copy: | times eager: | times compiled: | MiB: | error:"
    heading = (
        f"Medians of {turns} interleaved turns, with minimum and maximum; times is how many times as fast."
    )
    return [heading, "", *table(f"{words} | {numbers}", cells)]


def main() -> None:
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu", "cuda")
    options = parser(__doc__, turns=7, devices=devices).parse_args()
    device, turns = options.device, 1 if options.quick else options.turns
    shapes = SHAPES if device == "cuda" else CPU_SHAPES
    if device == "cpu":
        torch.set_num_threads(1)
    label = torch.cuda.get_device_name() if device == "cuda" else "CPU, one thread"
    name = "loss-" + (label.lower().replace(" ", "-") if device == "cuda" else "cpu")
    rows: list[Row] = []
    content = ""
    for shape in shapes[:3] if options.quick else shapes:
        for dtype in DTYPES:
            measured = bench(device, shape, dtype, turns, budget=0.01 if options.quick else 0.3)
            shown = (f"{label_of(row)} {row['times_eager']:.2f}" for row in measured)
            print(*shape, dtype, ", ".join(shown), flush=True)
            rows += measured  # written after each, since a later shape may run out of memory
            content = write_files(options.out, name, rows, text(rows, turns), label)
    print(content)


if __name__ == "__main__":
    main()
