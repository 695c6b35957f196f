"""Claim: smoothing costs next to nothing."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import DEFAULT_ALPHA, Evidence, Measurement
from lsbench.claims._claim import Claim

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from lsbench.execution.plan import Job
    from lsbench.terms import Batch
    from lsbench.training import stack
    from lsbench.training.loss import Loss

BOUND = 0.05  # of a step: the meaning of "next to nothing"
ROUNDS, LEAST_ROUNDS = 51, 7
SECONDS = 60.0  # after these the least number of rounds is enough
STEPS = 8  # of each kind in a round, at most an epoch
KINDS = {"alpha": "smoothed", "dropout": "dropout", "augment": "augment"}
SHOWN = {
    "smoothed": f"with α = {DEFAULT_ALPHA:g} by lsbench's loss",
    "torch": f"with α = {DEFAULT_ALPHA:g} by torch's own cross entropy",
    "dropout": "with dropout",
    "augment": "with augmentation",
}


def compare(evidence: Evidence) -> Sequence[Measurement]:
    if evidence.measured is None:
        return []
    steps = evidence.measured
    return [
        Measurement(f"a step {words} over a plain one", steps[name] / steps["plain"] - 1, BOUND)
        for name, words in SHOWN.items()
    ]


def measure(jobs: "Sequence[Job]") -> "pd.DataFrame":
    """Seconds per step by kind, one row per round: a few steps of each kind in turns, so that a machine that
    slows down affects all kinds. The value of a round is the median of its steps.

    lsbench's loss computes the smoothing terms at alpha 0 too, where they are 0; the plain step therefore has
    torch's own cross entropy. The excess of a smoothed step over it is the cost of smoothing and of lsbench's
    op together; the step "torch", with torch's own smoothing, has the former only.
    """
    import pandas as pd

    from lsbench.training.device import threads
    from lsbench.training.timing import step_seconds

    with threads(1):  # with two threads on a busy machine, their waiting for each other would be measured
        kinds = _kinds(jobs)
        rows: list[dict[str, float]] = []
        started = time.monotonic()
        for number in range(ROUNDS + 1):
            if number > LEAST_ROUNDS and time.monotonic() - started > SECONDS:
                break
            first = number % len(kinds)
            turns = [*kinds, *kinds][first : first + len(kinds)]
            rows.append({name: step_seconds(kinds[name], STEPS) for name in turns})
        return pd.DataFrame(rows[1:])  # the first round warms up


def _kinds(jobs: "Sequence[Job]") -> "dict[str, stack.Stack]":
    """A stack of one member for each kind of step, from the jobs of the smallest seed with at most one of
    `KINDS` on; the smoothed step also with PyTorch's loss."""
    import torch
    import torch.nn.functional as F

    from lsbench.training import device, stack

    def torch_loss(alpha: float) -> "Loss":
        """torch's own cross entropy, for a stack of one."""

        def loss(
            logits: "Tensor", batch: "Batch", params: "Sequence[Tensor]"
        ) -> "tuple[Tensor, tuple[Tensor, ...]]":
            rows, labels = logits.flatten(0, 1), batch.labels.flatten()
            losses = F.cross_entropy(rows, labels, reduction="none", label_smoothing=alpha)
            return losses.detach().view_as(batch.labels), torch.autograd.grad(losses.mean(), params)

        return loss

    seed = min(job.run.seed for job in jobs)
    kinds: dict[str, stack.Stack] = {}
    for job in jobs:
        on = [name for knob, name in KINDS.items() if job.run.knobs[knob]]
        if len(on) < 2 and job.run.seed == seed:
            arguments = [job.run], job.splits, device.choose_device(job.run.device)
            kinds |= {name: stack.Stack(*arguments) for name in on}
            if on in ([], ["smoothed"]):
                kinds["torch" if on else "plain"] = stack.Stack(*arguments, loss=torch_loss(job.run.alpha))
    return kinds


CLAIM = Claim(
    words="it costs next to nothing",
    source="tutorials",
    measured=(
        f"time of a training step of lsbench, in up to {ROUNDS} rounds of steps in turns, with one thread on "
        "a CPU. The plain step has torch's own cross entropy, so that what decides is the price of smoothing "
        "and of lsbench's op together; smoothing by torch's own loss is beside it. Next to nothing is at "
        f"most {BOUND * 100:g} % of a plain step"
    ),
    compare=compare,
    measure=measure,
    rank=7,
)
