"""Planning: from configurations to stacks, each with its device, backend, threads and strategy."""

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

# More members gain little on a CPU (measured: 1.56 times at 16, 1.64 at 40) and lose more when interrupted.
LARGEST_STACK = 40
# Smaller stacks are hardly faster than their runs one after another (measured: 1.14 times at 4), so no group
# is divided into smaller ones to keep another core busy.
SMALLEST_PART = 8


def check(run: Run, *, local: bool = True) -> None:
    """Raise `UsageError` for a setting that this machine or the installed models and methods do not support,
    before any data is read: the model's options, knobs, and for a ``local`` run its device and
    precision."""
    if local:
        _check_device(run)
    models.check_settings(run.model)
    methods = {method.knob: method for method in all_methods().values()}
    for name, value in run.method.knobs.items():
        if name not in methods:
            known = ", ".join(methods)
            raise UsageError(f"method.knobs.{name}={value:g}: no method has this knob; there are {known}")
        method = methods[name]
        allowed = Range(method.low, method.high, method.closed)
        if value not in allowed:
            raise UsageError(f"method.knobs.{name}={value:g}: allowed is a number {allowed}")
        excluded = [other for other in method.excludes if run.knobs.get(other)]
        if value and excluded:
            raise UsageError(f"method.knobs.{name}={value:g}: cannot be on together with {excluded[0]}")
    teachers.check_teacher(run)


def _check_device(run: Run) -> None:
    device = choose_device(run.device)
    if run.precision == "bf16" and not supports_bf16(device):
        raise UsageError(f"precision=bf16: {device} has no bf16 arithmetic; use fp32 or fp64")
    if run.executor == "pool" and device.type != "cpu":
        raise UsageError(f"executor=pool: its processes train on a CPU, not on {device}; use executor=stack")
    if run.executor == "graphs" and device.type != "cuda":
        raise UsageError(f"executor=graphs: CUDA graphs need a CUDA device, not {device}; use executor=auto")


@dataclass(frozen=True)
class Job:
    """A run with its data, whose hash completes the run's name in the store. ``teacher`` is the teacher as
    the user wrote it, for messages; in ``run`` it is a cell."""

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
    """Load each data set once. Raises `DataError`, and `UsageError` for splits or models that do not fit, and
    for a method that would change nothing."""
    loaded: dict[str, Splits] = {}
    jobs = []
    for run in configs:
        source = json.dumps([run.data._target_, run.data.root, run.data.options], sort_keys=True)
        if source not in loaded:
            loaded[source] = load(run.data)
        splits = loaded[source]
        split_sizes(splits, run.data)
        model = models.build_on_meta(run.model, splits.train_images.shape[1:], len(splits.classes))
        for method in all_methods().values():
            strength = run.knobs.get(method.knob)
            if strength and method.idle and (reason := method.idle(model, run.data.shift, run.data.flip)):
                raise UsageError(f"{method.knob}={strength:g}: would change nothing: {reason}")
        jobs.append(Job(teachers.resolve_teacher(run), splits, run.method.teacher))
    return jobs


@dataclass(frozen=True)
class StackPlan:
    """A stack to be trained: its members, device and executor.

    ``backend`` is local (in this process), pool (in a separate process) or slurm (as a Slurm job).
    With ``cuda_graphs`` a GPU replays recorded training steps. ``threads`` are those of a CPU, and
    ``strategy`` is that of the members' forward pass (training/forward.py).
    """

    jobs: tuple[Job, ...]
    device: torch.device
    backend: str
    threads: int
    strategy: str = "vmap"
    cuda_graphs: bool = False

    @property
    def saved(self) -> checkpoints.SavedStack:
        """The part of the plan that is saved until the stack is stored."""
        return checkpoints.SavedStack(tuple(job.run_id for job in self.jobs), self.threads, self.strategy)

    @property
    def executor(self) -> str:
        """The name of the plan's executor: stack, graphs, pool or slurm."""
        if self.backend != "local":
            return self.backend
        return "graphs" if self.cuda_graphs else "stack"

    @property
    def results_dir(self) -> str:
        return self.jobs[0].run.results_dir

    @property
    def folder(self) -> Path:
        """The folder of the stack's checkpoint."""
        return checkpoints.stack_dir(self.results_dir, self.saved.run_ids)

    @property
    def key(self) -> str:
        """A name that no other stack has."""
        return self.folder.name

    @property
    def epochs(self) -> int:
        """The epochs of all members together."""
        return len(self.jobs) * self.jobs[0].run.epochs

    def halves(self) -> "tuple[StackPlan, StackPlan]":
        middle = len(self.jobs) // 2
        return replace(self, jobs=self.jobs[:middle]), replace(self, jobs=self.jobs[middle:])

    def __str__(self) -> str:
        first = self.jobs[0].run
        return f"{len(self.jobs)} x {first.data.name} {first.model_name} {first.method_name}"


@dataclass(frozen=True)
class Node:
    """A machine of a cluster that trains one stack: its device and its CPU threads."""

    device: torch.device
    threads: int


def plan_stacks(jobs: Sequence[Job], node: Node | None = None) -> list[StackPlan]:
    """Group ``jobs`` into stacks and choose how each trains: on this machine, with as many cores as torch
    uses, or each on a ``node`` of its own as a Slurm job.

    A stack that an earlier command planned and did not finish keeps its members, strategy and threads, so
    that its checkpoint fits and the results are the same bits as without the interruption.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.run.results_dir, job.run.device, job.run.executor), []).append(job)
    return [plan for group in groups.values() for plan in _plan_group(group, node)]


def _plan_group(group: list[Job], node: Node | None) -> list[StackPlan]:
    """The stacks of jobs that share results_dir, device and executor."""
    run = group[0].run
    device = node.device if node else choose_device(run.device)
    cuda_graphs = uses_cuda_graphs(run, device)
    cores = node.threads if node else torch.get_num_threads()
    may_pool = device.type == "cpu" and run.executor != "stack" and not node
    resumed, new = _split_saved(group)
    stacks = group_jobs(new, device, cores if may_pool else 1, cuda_graphs=cuda_graphs, local=not node)
    count = len(resumed) + len(stacks)
    backend = "local"
    if node:
        backend = "slurm"
    elif run.executor == "pool" or (may_pool and count > 1):
        backend = "pool"
    threads = max(cores // count, 1) if backend == "pool" else cores
    plans = []
    for members, saved in resumed:
        saved_threads = saved.threads if node else min(saved.threads, cores)
        plans.append(StackPlan(members, device, backend, saved_threads, saved.strategy, cuda_graphs))
    for members, strategy in stacks:
        plans.append(StackPlan(members, device, backend, threads, strategy, cuda_graphs))
    return plans


def _split_saved(group: list[Job]) -> tuple[list[tuple[tuple[Job, ...], checkpoints.SavedStack]], list[Job]]:
    """The saved stacks all of whose runs are in ``group``, with their jobs; and the other jobs."""
    remaining = {job.run_id: job for job in group}
    resumed = []
    for saved in checkpoints.saved_stacks(group[0].run.results_dir):
        if all(run_id in remaining for run_id in saved.run_ids):
            resumed.append((tuple(remaining.pop(run_id) for run_id in saved.run_ids), saved))
    return resumed, list(remaining.values())


def uses_cuda_graphs(run: Run, device: torch.device) -> bool:
    return device.type == "cuda" and run.executor in ("auto", "graphs")


def group_jobs(
    jobs: Sequence[Job], device: torch.device, cores: int, *, cuda_graphs: bool, local: bool
) -> list[tuple[tuple[Job, ...], str]]:
    """Group jobs into stacks, each with its strategy, and divide large groups over ``cores``.

    The members of a stack are equal in all but seed, knobs and teacher, and the same methods are on, so that
    no member computes another's dropout masks or shifted images. ``local`` stacks train on this machine.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        knobs = sorted(name for name, value in job.run.knobs.items() if value and name in _hooked_knobs())
        shared = {k: v for k, v in job.run.settings.items() if k not in (*job.run.knobs, "seed", "method")}
        key = json.dumps([shared, knobs, job.splits.sha256], sort_keys=True)
        groups.setdefault(key, []).append(job)
    stacks = []
    for group in groups.values():
        strategy, largest = _strategy(group, device, cuda_graphs, local)
        stacks += [(tuple(part), strategy) for part in _parts(group, largest, cores)]
    return stacks


def _hooked_knobs() -> set[str]:
    """The knobs of methods that add work to a training step."""
    return {m.knob for m in all_methods().values() if m.batch or m.layers or m.loss or m.distill or m.penalty}


def _strategy(group: list[Job], device: torch.device, cuda_graphs: bool, local: bool) -> tuple[str, int]:
    """The strategy of a group's forward pass, and the most members of one of its stacks.

    On a CPU, networks with convolutions train one at a time: grouped convolutions ran at 0.53 times the speed
    of single ones. On a GPU of this machine the fastest strategy is measured.
    """
    first = group[0]
    model = models.build_on_meta(
        first.run.model, first.splits.train_images.shape[1:], len(first.splits.classes)
    )
    if not models.is_convolutional(model):
        return "vmap", LARGEST_STACK
    if device.type == "cpu" or len(group) == 1:
        return "vmap", 1
    if not local:
        return "streams", STREAMS
    return autotune.fastest([job.run for job in group], first.splits, device, graphs=cuda_graphs)


def _parts(group: list[Job], largest: int, cores: int) -> list[list[Job]]:
    """Parts of sizes that differ by at most one: as few as ``largest`` allows, or as many as keep the cores
    busy."""
    count = max(-(-len(group) // largest), min(cores, len(group) // SMALLEST_PART))
    bounds = [len(group) * index // count for index in range(count + 1)]
    return [group[low:high] for low, high in pairwise(bounds)]
