"""The executors `stack` and `graphs`: one stack after another in this process, each with all threads or the
whole GPU, where `graphs` replays the training steps (graphs.py)."""

from collections.abc import Sequence

import torch

from lsbench.execution import train_stack
from lsbench.execution.plan import StackPlan
from lsbench.execution.progress import SweepProgress


def run(stacks: Sequence[StackPlan], board: SweepProgress, *, wait: bool) -> list[StackPlan]:
    """Train and store ``stacks``; returns those that another process holds."""
    before = torch.get_num_threads()
    try:
        return [stack for stack in stacks if not _train(stack, board, wait)]
    finally:
        torch.set_num_threads(before)


def _train(stack: StackPlan, board: SweepProgress, wait: bool) -> bool:
    torch.set_num_threads(stack.threads)
    return train_stack.train(stack, board, wait=wait)
