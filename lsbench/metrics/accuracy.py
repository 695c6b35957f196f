"""Share of rows whose most probable class is the label, in [0,1]."""

from torch import Tensor


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N]; ties go to the first class."""
    return (probs.argmax(-1) == labels).double().mean(-1)
