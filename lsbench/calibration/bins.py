"""Bins of confidence, from which the calibration errors are computed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lsbench.terms import BINS


@dataclass(frozen=True)
class Bins:
    """Sums over the rows of each bin, float64 [...,BINS]: their number, their confidence, the number that are
    correct."""

    count: Tensor
    confidence: Tensor
    correct: Tensor

    def expected_error(self) -> Tensor:
        """|mean confidence − accuracy| of bins, averaged over rows, [...]; empty bins have no weight."""
        return (self.confidence - self.correct).abs().sum(-1) / self.count.sum(-1)

    def largest_error(self) -> Tensor:
        """The largest |mean confidence − accuracy| of any bin that is not empty, [...]."""
        return ((self.confidence - self.correct).abs() / self.count.clamp(min=1)).amax(-1)


def equal_width_bins(confidence: Tensor, correct: Tensor) -> Bins:
    """Bins (l, u] of equal width over [0,1], the first one closed at 0, from two tensors [...,N]."""
    index = bin_index(confidence)
    empty = confidence.new_zeros((*confidence.shape[:-1], BINS))
    return Bins(
        empty.scatter_add(-1, index, torch.ones_like(confidence)),
        empty.scatter_add(-1, index, confidence),
        empty.scatter_add(-1, index, correct.to(confidence.dtype)),
    )


def bin_index(confidence: Tensor) -> Tensor:
    """The index of each confidence's bin of equal width, int64 [...,N]."""
    return (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)


def top_confidence(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The confidence of each row's predicted class, float64 [M,N], and whether it is correct, bool [M,N]."""
    confidence, predicted = probs.max(-1)
    return confidence, predicted == labels
