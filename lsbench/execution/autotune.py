"""Which way a GPU trains several networks with convolutions fastest.

It depends on the GPU, the network, the batch and the precision, so it is measured: seconds, where training
takes minutes. Networks without convolutions are taken as one, and on a CPU those with each alone, where a
grouped convolution takes longer than its parts (`scripts/bench_gpu.py --device cpu` times both).
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
# How the network is passed, and at most how many members do it together; first what is likeliest to fail in a
# CUDA graph, since after that all train without.
CANDIDATES = (("streams", STREAMS), ("vmap", STREAMS), ("vmap", 1))


def fastest(runs: Sequence[Run], splits: Splits, device: torch.device, *, graphs: bool) -> tuple[str, int]:
    """The way, and the most members, of stacks of these ``runs`` that take least time a member; the first few
    of them try it."""
    seconds = {rival: _seconds(runs, splits, device, rival, graphs) for rival in CANDIDATES}
    told = ", ".join(f"{way} of {size} {seconds[way, size] * 1e3:.3g}" for way, size in CANDIDATES)
    log.info("%s: milliseconds of a step and member: %s", runs[0].model_name, told)
    return min(seconds, key=lambda rival: (seconds[rival], rival[1]))


def _seconds(
    runs: Sequence[Run], splits: Splits, device: torch.device, rival: tuple[str, int], graphs: bool
) -> float:
    """Of a step and member; infinite where it cannot be taken: too little memory, or a network that cannot
    be mapped over. Where no way can, training says why."""
    way, size = rival
    try:
        timed = without_teacher(runs[:size], splits, device, graphs=graphs, way=way)
        return step_seconds(timed, STEPS) / timed.size
    except Exception as error:  # whatever the network raises
        log.debug("%s of %d: %s", way, size, error)
        return math.inf
