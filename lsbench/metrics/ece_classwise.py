"""Classwise calibration error (Kull et al. 2019, arXiv:1910.12656): over the probabilities of all classes.

Nixon et al. 2019 (arXiv:1904.01685) call it static calibration error.
"""

import torch
from torch import Tensor

from lsbench.calibration.bins import equal_width_bins


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N].

    For each class k, rows are binned by p_k and a bin's gap is |mean p_k − share of rows labelled k|; the
    classes are averaged. One class at a time, since bin indices for all would take as much memory as probs.
    """
    labels = labels.expand(probs.shape[:-1])
    errors = [equal_width_bins(probs[..., k], labels == k).expected_error() for k in range(probs.shape[-1])]
    return torch.stack(errors).mean(0)
