"""From configurations to stacks: what trains together, on which device, with which executor."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch

from lsbench import models
from lsbench.config import Range, Run
from lsbench.data import load
from lsbench.errors import UsageError
from lsbench.execution import autotune, teachers
from lsbench.methods import all_methods
from lsbench.store import checkpoints
from lsbench.terms import Splits
from lsbench.training.device import choose_device, supports_bf16
from lsbench.training.device_data import split_sizes
from lsbench.training.forward import STREAMS

# More members gain little on a CPU (measured: 1.56 times at 16, 1.64 at 40) and lose more at a stop.
LARGEST_STACK = 40
# Smaller stacks are hardly faster than their runs one after another (1.14 times at 4), so none are made only
# to keep another core busy.
SMALLEST_PART = 8


def check(run: Run, *, here: bool = True) -> None:
    """Raise `UsageError` for what only this machine or the installed models and methods can tell, before any
    data is read: the device and its precision (where the run trains ``here``), the names of the model's
    options and of knobs."""
    if here:
        _check_device(run)
    models.build_on_meta(run.model)
    methods = {method.knob: method for method in all_methods().values()}
    for name, value in run.method.knobs.items():
        if name not in methods:
            there = ", ".join(methods)
            raise UsageError(f"method.knobs.{name}={value:g}: no method has this knob; there are {there}")
        method = methods[name]
        allowed = Range(method.low, method.high, method.closed)
        if value not in allowed:
            raise UsageError(f"method.knobs.{name}={value:g}: allowed is a number {allowed}")
        if value and (others := [other for other in method.excludes if run.knobs.get(other)]):
            raise UsageError(f"method.knobs.{name}={value:g}: cannot be on beside {others[0]}")
    teachers.check_teacher(run)


def _check_device(run: Run) -> None:
    device = choose_device(run.device)
    if run.precision == "bf16" and not supports_bf16(device):
        raise UsageError(f"precision=bf16: {device} has no bf16 arithmetic; allowed here are fp32, fp64")
    if run.executor == "pool" and device.type != "cpu":
        raise UsageError(f"executor=pool: its processes train on a CPU, not on {device}; use executor=stack")
    if run.executor == "graphs" and device.type != "cuda":
        raise UsageError(f"executor=graphs: CUDA graphs need a CUDA device, not {device}; use executor=auto")


@dataclass(frozen=True)
class Job:
    """A run with its data at hand, and therefore with its name in the store; ``teacher`` is what the user
    called the run's teacher, which is a cell by now."""

    run: Run
    splits: Splits
    teacher: str | None = field(default=None, compare=False)

    @property
    def run_id(self) -> str:
        return self.run.run_id(self.splits.sha256)

    @property
    def cell_id(self) -> str:
        return self.run.cell_id(self.splits.sha256)


def with_data(configs: Sequence[Run]) -> list[Job]:
    """Load each data set once. Raises `DataError`, and `UsageError` for splits or models that do not fit."""
    loaded: dict[str, Splits] = {}
    jobs = []
    for run in configs:
        source = json.dumps([run.data._target_, run.data.root, run.data.options], sort_keys=True)
        if source not in loaded:
            loaded[source] = load(run.data)
        splits = loaded[source]
        split_sizes(splits, run.data)
        models.build_on_meta(run.model, splits.train_images.shape[1:], len(splits.classes))
        jobs.append(Job(teachers.resolve_teacher(run), splits, run.method.teacher))
    return jobs


@dataclass(frozen=True)
class StackPlan:
    """A stack to be trained: its members, where, by which executor, with how many threads on a CPU, and which
    strategy their forward pass has (forward.py)."""

    jobs: tuple[Job, ...]
    device: torch.device
    executor: str
    threads: int
    strategy: str = "vmap"

    @property
    def saved(self) -> checkpoints.SavedStack:
        return checkpoints.SavedStack(tuple(job.run_id for job in self.jobs), self.threads, self.strategy)

    @property
    def results_dir(self) -> str:
        return self.jobs[0].run.results_dir

    @property
    def folder(self) -> Path:
        """Where the store keeps what it has of the stack until its runs are in."""
        return checkpoints.stack_dir(self.results_dir, self.saved.runs)

    @property
    def key(self) -> str:
        """Tells it from every other stack."""
        return self.folder.name

    @property
    def epochs(self) -> int:
        """Of all members together."""
        return len(self.jobs) * self.jobs[0].run.epochs

    @property
    def graphs(self) -> bool:
        """Whether a GPU replays its steps."""
        return self.executor == "graphs"

    def halves(self) -> "tuple[StackPlan, StackPlan]":
        middle = len(self.jobs) // 2
        return replace(self, jobs=self.jobs[:middle]), replace(self, jobs=self.jobs[middle:])

    def __str__(self) -> str:
        first = self.jobs[0].run
        return f"{len(self.jobs)} x {first.data.name} {first.model_name} {first.method_name}"


@dataclass(frozen=True)
class Node:
    """A machine elsewhere that is to train one stack: its device, the threads it may use, and who sends the
    stack there."""

    device: torch.device
    threads: int
    executor: str


def plan(jobs: Sequence[Job], cores: int | None = None, node: Node | None = None) -> list[StackPlan]:
    """Which jobs train together, and how: on this machine, of whose ``cores`` as many are used as torch does
    unless given, or each stack on a ``node`` of its own.

    A stack that an earlier command planned and did not finish stays as it was, so that what is kept of it
    fits and the numbers come out as if nothing had happened.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.run.results_dir, job.run.device, job.run.executor), []).append(job)
    cores = cores or torch.get_num_threads()
    return [planned for group in groups.values() for planned in _plan(group, cores, node)]


def _plan(group: list[Job], cores: int, node: Node | None) -> list[StackPlan]:
    """A CPU gets a pool wherever more than one stack is to be made: a process a core beats two threads on one
    stack, for MLPs and convolutions (results/benchmarks/sweep.md)."""
    first = group[0].run
    device, waiting = node.device if node else choose_device(first.device), {job.run_id: job for job in group}
    spread = device.type == "cpu" and first.executor != "stack" and not node
    graphs = replays(first, device)
    before = []
    for kept in checkpoints.saved_stacks(first.results_dir):
        if all(run_id in waiting for run_id in kept.runs):
            members = tuple(waiting.pop(run_id) for run_id in kept.runs)
            before.append((members, kept.strategy, kept.threads if node else min(kept.threads, cores)))
    parts = stacks(list(waiting.values()), device, cores if spread else 1, graphs=graphs, here=not node)
    count = len(before) + len(parts)
    executor = node.executor if node else first.executor
    if executor == "auto":
        executor = "graphs" if graphs else "pool" if spread and count > 1 else "stack"
    threads = node.threads if node else max(cores // count, 1) if executor == "pool" else cores
    chosen = [*before, *((members, strategy, threads) for members, strategy in parts)]
    return [StackPlan(members, device, executor, number, strategy) for members, strategy, number in chosen]


def replays(run: Run, device: torch.device) -> bool:
    """Whether the steps of ``run`` are to be replayed from CUDA graphs."""
    return device.type == "cuda" and run.executor in ("auto", "graphs")


def stacks(
    jobs: Sequence[Job], device: torch.device, cores: int = 1, *, graphs: bool = False, here: bool = True
) -> list[tuple[tuple[Job, ...], str]]:
    """Group jobs into stacks: equal in all but seed and knobs, and with the same methods at work, so that no
    member pays for another's dropout masks or shifted images. Each group is divided over ``cores``; with it
    stands the fastest strategy, on a GPU measured if it is ``here``."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        knobs = sorted(name for name, value in job.run.knobs.items() if value and name in _hooked_knobs())
        shared = {k: v for k, v in job.run.settings.items() if k not in (*job.run.knobs, "seed", "method")}
        key = json.dumps([shared, knobs, job.splits.sha256], sort_keys=True)
        groups.setdefault(key, []).append(job)
    found = []
    for group in groups.values():
        strategy, largest = _together(group, device, graphs, here)
        found += [(tuple(part), strategy) for part in _parts(group, largest, cores)]
    return found


def _hooked_knobs() -> set[str]:
    """The knobs of methods that add work to a training step."""
    return {m.knob for m in all_methods().values() if m.batch or m.layers or m.loss or m.distill or m.penalty}


def _together(group: list[Job], device: torch.device, graphs: bool, here: bool) -> tuple[str, int]:
    """The strategy with which members of a group train, and how many at most in a stack.

    Convolutions do not stack on a CPU: grouped ones ran at 0.53 times the speed of one after another. What
    a GPU makes of them is measured where it is.
    """
    first = group[0]
    model = models.build_on_meta(
        first.run.model, first.splits.train_images.shape[1:], len(first.splits.classes)
    )
    if model is None or not models.is_convolutional(model):
        return "vmap", LARGEST_STACK
    if device.type == "cpu" or len(group) == 1:
        return "vmap", 1
    if not here:
        return "streams", STREAMS
    return autotune.fastest([job.run for job in group], first.splits, device, graphs=graphs)


def _parts(group: list[Job], largest: int, cores: int) -> list[list[Job]]:
    """As few parts as ``largest`` allows, or as many as keep the cores busy, as even as they come."""
    count = max(-(-len(group) // largest), min(cores, len(group) // SMALLEST_PART))
    bounds = [len(group) * index // count for index in range(count + 1)]
    return [group[low:high] for low, high in pairwise(bounds)]
