"""Mean negative log-likelihood of the labels, in nats."""

import torch
from torch import Tensor


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N].

    A probability of 0 counts as the smallest normal float64, so that one row costs 708.4 at most instead
    of making the mean infinite.
    """
    index = labels.expand(probs.shape[:-1]).unsqueeze(-1)
    of_label = probs.gather(-1, index).squeeze(-1)
    return -of_label.clamp(min=torch.finfo(probs.dtype).tiny).log().mean(-1)
