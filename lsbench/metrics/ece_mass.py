"""Expected calibration error over 15 bins of equal mass (Nixon et al. 2019, arXiv:1904.01685)."""

from torch import Tensor

from lsbench.calibration.bins import top_confidence
from lsbench.terms import BINS


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N].

    Rows are sorted by confidence, ties by index, and cut as `numpy.array_split` cuts: sizes differ by at
    most one, the larger bins hold the lower confidences.
    """
    confidence, correct = top_confidence(probs, labels)
    order = confidence.argsort(dim=-1, stable=True)
    gaps = (confidence - correct.double()).gather(-1, order)
    bins = gaps.tensor_split(BINS, dim=-1)
    return sum((rows.sum(-1).abs() for rows in bins), start=gaps.new_zeros(())) / gaps.shape[-1]
