"""The executors `stack` and `graphs`: one stack after another in this process, each with all threads or the
whole GPU, where `graphs` replays the training steps (cuda_graphs.py)."""

from collections.abc import Sequence

from lsbench.execution import train_stack
from lsbench.execution.plan import StackPlan
from lsbench.execution.progress import SweepProgress
from lsbench.training.device import threads


def run(stacks: Sequence[StackPlan], board: SweepProgress, *, wait: bool) -> list[StackPlan]:
    """Train and store ``stacks``; returns those that another process holds."""
    held = []
    for stack in stacks:
        with threads(stack.threads):
            if not train_stack.train(stack, board, wait=wait):
                held.append(stack)
    return held
