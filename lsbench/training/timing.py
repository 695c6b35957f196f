"""How long a training step takes."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from statistics import median

import torch

from lsbench.config import Run
from lsbench.terms import Splits
from lsbench.training.cuda_graphs import WARM_UP
from lsbench.training.stack import Stack


def without_teacher(
    runs: Sequence[Run], splits: Splits, device: torch.device, *, graphs: bool = False, way: str = "vmap"
) -> Stack:
    """A stack for `step_seconds` whose teachers, who may not be trained yet, say nothing."""
    members = [replace(run, method=replace(run.method, teacher=None)) for run in runs]
    return Stack(members, splits, device, graphs=graphs, way=way)


def step_seconds(training: Stack, steps: int) -> float:
    """The median over at most ``steps`` steps from the beginning of an epoch, which is left unfinished, after
    one to warm up, and those before a graph is recorded. An epoch too short for that has no warm-up."""
    skipped = 1 + (WARM_UP if training.graphs else 0)
    moments = [time.perf_counter()]

    def clock(training: Stack) -> None:
        if training.device.type == "cuda":
            torch.cuda.synchronize(training.device)
        moments.append(time.perf_counter())
        if len(moments) > skipped + steps:
            raise _EnoughError

    training.losses, training.between_steps = [], clock
    try:
        with suppress(_EnoughError):
            training.train_epoch()
    finally:
        training.losses, training.between_steps = [], lambda training: None
    taken = [later - sooner for sooner, later in pairwise(moments)]
    return median(taken[skipped:] or taken)  # a machine that stumbles once shall not decide


class _EnoughError(Exception):
    """Ends the epoch from within."""
