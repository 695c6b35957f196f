"""Symmetric label noise: an exact fraction of the train labels, each replaced by another class."""

from torch import Tensor

from lsbench import rng
from lsbench.terms import Method


def labels(labels: Tensor, strength: float, classes: int, key: Tensor) -> Tensor:
    """Replace round(strength * N) of ``labels`` [N], each by a class drawn uniformly from the K-1 others.

    The order of replacement depends only on the seed, so the rows that change at 0.2 also change at 0.4.
    """
    count = round(strength * len(labels))
    chosen = rng.permutation(rng.fold(key, 0), len(labels))[:count]
    jump = 1 + (rng.uniform(rng.fold(key, 1), len(labels)) * (classes - 1)).long()
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + jump[chosen]) % classes
    return noisy


METHOD = Method(knob="label_noise", labels=labels)
