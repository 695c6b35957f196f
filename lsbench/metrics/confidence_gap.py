"""Mean confidence minus accuracy: above 0 the model is overconfident, below 0 underconfident."""

from torch import Tensor

from lsbench.calibration.bins import top_confidence


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] in [-1,1] from probs float64 [M,N,K] and labels int64 [M,N] or [N]."""
    confidence, correct = top_confidence(probs, labels)
    return confidence.mean(-1) - correct.double().mean(-1)
