"""Maximum calibration error (Naeini et al. 2015): the largest gap of any of 15 equal-width bins."""

from torch import Tensor

from lsbench.calibration.bins import equal_width_bins, top_confidence


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N]; a bin with one row counts in full."""
    return equal_width_bins(*top_confidence(probs, labels)).largest_error()
