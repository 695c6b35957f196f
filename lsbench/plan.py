"""From configurations to stored records: what is stored already, what trains together, and in which order."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from lsbench import measure, models, runs, stack
from lsbench.config import Between, Run
from lsbench.data import load
from lsbench.data.resident import split_sizes
from lsbench.methods import all_methods
from lsbench.progress import EpochBar
from lsbench.terms import LsbenchError, Outcome, Splits, UsageError

log = logging.getLogger(__name__)

# More members gain little on a CPU (measured: 1.56 times at 16, 1.64 at 40) and lose more at a stop.
LARGEST_STACK = 40


def check(run: Run) -> None:
    """Raise `UsageError` for what only this machine or the installed models and methods can tell, before any
    data is read: the device, its precision, the names of the model's options and of knobs."""
    device = choose_device(run.device)
    if run.precision == "bf16" and not _has_bf16(device):
        raise UsageError(f"precision=bf16: {device} has no bf16 arithmetic; allowed here are fp32, fp64")
    models.check(run.model)
    methods = {method.knob: method for method in all_methods().values()}
    for name, value in run.method.knobs.items():
        if name not in methods:
            there = ", ".join(methods)
            raise UsageError(f"method.knobs.{name}={value:g}: no method has this knob; there are {there}")
        allowed = Between(methods[name].low, methods[name].high)
        if value not in allowed:
            raise UsageError(f"method.knobs.{name}={value:g}: allowed is a number {allowed}")


def choose_device(name: str) -> torch.device:
    """``auto`` is the first GPU where there is one. Raises `UsageError` for a device that is not there."""
    gpus = torch.cuda.device_count()
    there = ["auto", "cpu", *(["cuda"] if gpus else []), *(f"cuda:{index}" for index in range(gpus))]
    if name not in there:
        raise UsageError(f"device={name}: not on this machine; allowed here are {', '.join(there)}")
    return torch.device(("cuda" if gpus else "cpu") if name == "auto" else name)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def device_name(device: torch.device) -> str:
    """What the ``device`` column says: cpu, or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True)
class Job:
    """A run with its data at hand, and therefore with its name in the store."""

    run: Run
    splits: Splits

    @property
    def run_id(self) -> str:
        return self.run.run_id(self.splits.sha256)


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
        models.check(run.model, splits.train_images.shape[1:], len(splits.classes))
        jobs.append(Job(run, splits))
    return jobs


def stacks(jobs: Sequence[Job], device: torch.device) -> list[list[Job]]:
    """Group jobs into stacks: equal in all but seed and knobs, and with the same methods at work, so that no
    member pays for another's dropout masks or shifted images."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        knobs = {name: bool(value) for name, value in job.run.knobs.items() if name in _hooked_knobs()}
        shared = {k: v for k, v in job.run.settings.items() if k not in (*job.run.knobs, "seed", "method")}
        key = json.dumps([shared, knobs, job.splits.sha256], sort_keys=True)
        groups.setdefault(key, []).append(job)
    return [part for group in groups.values() for part in _parts(group, _largest_stack(group[0], device))]


def _hooked_knobs() -> set[str]:
    """The knobs of methods that add work to a training step."""
    return {m.knob for m in all_methods().values() if m.batch or m.layers or m.loss}


def _largest_stack(job: Job, device: torch.device) -> int:
    """Convolutions do not stack on a CPU: grouped ones ran at 0.53 times the speed of one after another."""
    model = models.check(job.run.model, job.splits.train_images.shape[1:], len(job.splits.classes))
    convolutional = model is not None and any(isinstance(part, nn.Conv2d) for part in model.modules())
    return 1 if convolutional and device.type == "cpu" else LARGEST_STACK


def _parts(group: list[Job], largest: int) -> list[list[Job]]:
    """As few parts as ``largest`` allows, as even as they come."""
    count = -(-len(group) // largest)
    bounds = [len(group) * index // count for index in range(count + 1)]
    return [group[low:high] for low, high in pairwise(bounds)]


def execute(jobs: Sequence[Job]) -> None:
    """Train every run that is not stored yet and store it; equal jobs train once.

    A run that fails is stored as failed, and the others go on. Raises `StorageError` before any training
    where results cannot be written.
    """
    wanted = {(job.run.results_dir, job.run_id): job for job in jobs}
    pending = {place: job for place, job in wanted.items() if not runs.is_finished(runs.read(*place))}
    stored = len(wanted) - len(pending)
    if stored:
        log.info("%d of %d runs are stored already", stored, len(wanted))
    for results_dir in {job.run.results_dir for job in pending.values()}:
        runs.check_writable(results_dir)
    by_device: dict[str, list[Job]] = {}
    for job in pending.values():
        by_device.setdefault(job.run.device, []).append(job)
    with EpochBar(sum(job.run.epochs for job in pending.values())) as bar:
        for name, group in by_device.items():
            device = choose_device(name)
            for members in stacks(group, device):
                _train(members, device, bar)


def _train(members: list[Job], device: torch.device, bar: EpochBar) -> None:
    """Train one stack and store its runs. Out of memory halves it; what else fails is stored as failed."""
    first = members[0].run
    bar.describe(f"{len(members)} x {first.data.name} {first.model_name} {first.method_name}")
    outcomes = _outcomes(members, device, bar)
    if outcomes is None:
        half = len(members) // 2
        _train(members[:half], device, bar)
        _train(members[half:], device, bar)
        return
    for job, outcome in zip(members, outcomes, strict=True):
        runs.write(job.run.results_dir, job.run, job.splits.sha256, outcome, device_name(device))


def _outcomes(members: list[Job], device: torch.device, bar: EpochBar) -> list[Outcome] | None:
    """Train and judge one stack; None where it is too large for the memory and could be smaller. The stack is
    gone when this returns, so that its halves have the room."""
    configs = [job.run for job in members]
    try:
        trained = stack.train(configs, members[0].splits, device, partial(bar.advance, len(members)))
        return measure.outcomes(trained)
    except LsbenchError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) and len(members) > 1:
            return None
        log.debug("stack failed", exc_info=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return [Outcome("failed", {}, error=reason)] * len(members)
