"""The smoothed loss, for lsbench's own training and for any other PyTorch program."""

from lsbench.ops.smoothed_ce import SmoothedCrossEntropy, smoothed_cross_entropy

__all__ = ["SmoothedCrossEntropy", "smoothed_cross_entropy"]
