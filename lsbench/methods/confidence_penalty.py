"""Confidence penalty (Pereyra et al. 2017, arXiv:1701.06548): the loss minus a multiple of the entropy."""

import torch.nn.functional as F
from torch import Tensor

from lsbench.terms import Method


def penalty(logits: Tensor, strength: Tensor) -> Tensor:
    """−strength·H(p), the entropy H = −Σ_k p_k·log p_k in nats: [M,B]."""
    log_probs = F.log_softmax(logits, dim=-1)
    return strength.to(logits.dtype)[:, None] * (log_probs.exp() * log_probs).sum(-1)


METHOD = Method(knob="confidence_penalty", penalty=penalty)
