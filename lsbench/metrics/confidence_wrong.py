"""Mean confidence of the predictions that are wrong: the cost of overconfidence."""

from torch import Tensor

from lsbench.calibration.bins import top_confidence


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] in [1/K,1] from probs float64 [M,N,K] and labels int64 [M,N] or [N]; NaN if no prediction is
    wrong, which the store writes as null."""
    confidence, correct = top_confidence(probs, labels)
    return confidence.where(~correct, 0.0).sum(-1) / (~correct).sum(-1)
