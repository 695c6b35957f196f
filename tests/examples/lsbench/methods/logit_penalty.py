"""Logit penalty: the squared norm of the logits, times a weight, added to the loss.

As in Kornblith et al. 2021 (arXiv:2010.16402), where it is one of nine losses for image classification.
"""

from torch import Tensor

from lsbench.terms import Method


def penalty(logits: Tensor, strength: Tensor) -> Tensor:
    """strength·Σ_k z_k² for logits z [M,B,K] and one strength for each member [M]: [M,B]."""
    return strength.to(logits.dtype)[:, None] * logits.square().sum(-1)


METHOD = Method(knob="logit_penalty", penalty=penalty)
