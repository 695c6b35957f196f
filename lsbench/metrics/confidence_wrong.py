"""Mean confidence of the predictions that are wrong: what overconfidence costs where it matters."""

from torch import Tensor

from lsbench.calibration.bins import predictions


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] in [1/K,1] from probs float64 [M,N,K] and labels int64 [M,N] or [N]; NaN where nothing is wrong,
    which the store keeps as null."""
    confidence, correct = predictions(probs, labels)
    return confidence.where(~correct, 0.0).sum(-1) / (~correct).sum(-1)
