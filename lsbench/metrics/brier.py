"""Brier score (Brier 1950): squared error of the probabilities, summed over classes, in [0,2]."""

from torch import Tensor


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M], the mean over rows, from probs float64 [M,N,K] and labels int64 [M,N] or [N].

    This is Brier's own definition; some packages halve it or divide it by K.
    """
    index = labels.expand(probs.shape[:-1]).unsqueeze(-1)
    error = probs.scatter_add(-1, index, -probs.new_ones(index.shape))
    return error.square().sum(-1).mean(-1)
