"""Autotune the forward pass of stacked convolutional networks on a GPU.

The fastest strategy depends on the GPU, the network, the batch and the precision, so it is measured: that
takes seconds, training takes minutes. Networks without convolutions always use vmap. On a CPU convolutional
networks train one at a time, since a grouped convolution takes longer than its parts (`scripts/bench_gpu.py
--device cpu` times both).
"""

import logging
import math
from collections.abc import Sequence

import torch

from lsbench.config import Run
from lsbench.terms import Splits
from lsbench.training.forward import STREAMS
from lsbench.training.timing import step_seconds, without_teacher

log = logging.getLogger(__name__)

STEPS = 10
# Strategies, each with the largest number of members in a stack. The likeliest to fail in a CUDA graph is
# first: after a failed capture everything trains without graphs.
CANDIDATES = (("streams", STREAMS), ("vmap", STREAMS), ("vmap", 1))


def fastest(runs: Sequence[Run], splits: Splits, device: torch.device, *, graphs: bool) -> tuple[str, int]:
    """The strategy, and the largest number of members of a stack, that take the least time a member, timed on
    the first of the ``runs``."""
    seconds = {candidate: _seconds(runs, splits, device, candidate, graphs) for candidate in CANDIDATES}
    times = ", ".join(
        f"{strategy} of {size} {seconds[strategy, size] * 1e3:.3g}" for strategy, size in CANDIDATES
    )
    log.info("%s: milliseconds of a step and member: %s", runs[0].model_name, times)
    return min(seconds, key=lambda candidate: (seconds[candidate], candidate[1]))


def _seconds(
    runs: Sequence[Run], splits: Splits, device: torch.device, candidate: tuple[str, int], graphs: bool
) -> float:
    """The time of a training step and member; infinite if no step succeeds: too little memory, or a network
    that vmap cannot map over. If no candidate succeeds, training reports the error."""
    strategy, size = candidate
    try:
        timed = without_teacher(runs[:size], splits, device, graphs=graphs, strategy=strategy)
        return step_seconds(timed, STEPS) / timed.size
    except Exception as error:  # whatever the network raises
        log.debug("%s of %d: %s", strategy, size, error)
        return math.inf
