"""The smoothed loss, for lsbench and for any other PyTorch program."""

from lsbench.ops.smoothed_ce import SmoothedCrossEntropy, loss_and_gradient, smoothed_cross_entropy

__all__ = ["SmoothedCrossEntropy", "loss_and_gradient", "smoothed_cross_entropy"]
