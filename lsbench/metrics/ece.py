"""Expected calibration error (Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599): 15 equal-width bins."""

from torch import Tensor

from lsbench.calibration.bins import equal_width_bins, top_confidence


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N]. Biased upwards where N is small."""
    return equal_width_bins(*top_confidence(probs, labels)).expected_error()
