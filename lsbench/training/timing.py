"""Time of a training step."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median

import torch

from lsbench.config import Run
from lsbench.terms import Splits
from lsbench.training.cuda_graphs import WARM_UP
from lsbench.training.stack import Stack


def without_teacher(
    runs: Sequence[Run], splits: Splits, device: torch.device, *, graphs: bool = False, strategy: str = "vmap"
) -> Stack:
    """A stack for timing, with teachers disabled: they may not be trained yet."""
    members = [replace(run, method=replace(run.method, teacher=None)) for run in runs]
    return Stack(members, splits, device, graphs=graphs, strategy=strategy)


def step_seconds(stack: Stack, steps: int) -> float:
    """The median time of at most ``steps`` training steps from the beginning of an epoch.

    It is measured after a warm-up of one step, and of those before a CUDA graph is recorded. If the epoch is
    too short for that, all its steps are timed."""
    skipped = 1 + (WARM_UP if stack.graphs else 0)
    moments = [time.perf_counter()]
    for _ in islice(stack.steps(epoch=0), skipped + steps):
        if stack.device.type == "cuda":
            torch.cuda.synchronize(stack.device)
        moments.append(time.perf_counter())
    seconds = [later - sooner for sooner, later in pairwise(moments)]
    return median(seconds[skipped:] or seconds)  # the median, so that one slow step does not count
