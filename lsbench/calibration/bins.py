"""Predictions sorted into bins of confidence: what the calibration errors are computed from."""

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15


@dataclass(frozen=True)
class Bins:
    """Sums over the rows of each bin, float64 [...,BINS]: how many, their confidence, how many are right.

    Sums add up, so the bins of a data set are those of its batches added together.
    """

    count: Tensor
    confidence: Tensor
    correct: Tensor

    def __add__(self, other: "Bins") -> "Bins":
        return Bins(
            self.count + other.count, self.confidence + other.confidence, self.correct + other.correct
        )

    def expected_error(self) -> Tensor:
        """|mean confidence − share of correct| averaged over the rows, [...]; empty bins weigh nothing."""
        return (self.confidence - self.correct).abs().sum(-1) / self.count.sum(-1)

    def largest_error(self) -> Tensor:
        """The largest |mean confidence − share of correct| of any bin that is not empty, [...]."""
        return ((self.confidence - self.correct).abs() / self.count.clamp(min=1)).amax(-1)


def equal_width(confidence: Tensor, correct: Tensor) -> Bins:
    """Bins (l, u] of equal width over [0,1], the first one closed at 0, of [...,N] and [...,N]."""
    index = place(confidence)
    empty = confidence.new_zeros((*confidence.shape[:-1], BINS))
    return Bins(
        empty.scatter_add(-1, index, torch.ones_like(confidence)),
        empty.scatter_add(-1, index, confidence),
        empty.scatter_add(-1, index, correct.to(confidence.dtype)),
    )


def place(confidence: Tensor) -> Tensor:
    """The bin of equal width of each confidence, int64 [...,N]."""
    return (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)


def predictions(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The confidence of each row's predicted class and whether it is right: float64 [M,N], bool [M,N]."""
    confidence, predicted = probs.max(-1)
    return confidence, predicted == labels
