"""Focal loss (Lin et al. 2017, arXiv:1708.02002), also used for calibration (Mukhoti et al. 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.terms import Method, Target


def loss(losses: Tensor, logits: Tensor, target: Target, strength: Tensor) -> Tensor:
    """Σ_k q_k·(−(1 − p_k)^γ·log p_k) for the smoothed target q: −(1 − p_y)^γ·log p_y where alpha is 0.

    So the smoothed loss is the mean over labels drawn from q, as for cross entropy, and each label has its
    own factor (as in Keras' CategoricalFocalCrossentropy). A common factor (1 − p_y)^γ on the smoothed loss
    would undo smoothing: the loss would go to 0 as p_y goes to 1, where the smoothed loss grows without
    bound. With factors for each label, smoothing has more weight than with cross entropy: at K = 10 and alpha
    = 0.1 the optimal p_y is 0.91 for γ = 0 and 0.612 for γ = 3.
    """
    log_probs = F.log_softmax(logits, dim=-1)
    # If p rounds to 1, the derivative of the power is infinite for γ < 1. Clamping at the smallest normal
    # number keeps it finite, and clamp and log p make the gradient 0, which is its limit.
    rest = (-torch.expm1(log_probs)).clamp(min=torch.finfo(logits.dtype).tiny)
    gamma = strength.to(logits.dtype)[:, None, None]
    return torch.where(strength[:, None] > 0, target.mean(-(rest**gamma) * log_probs), losses)


METHOD = Method(knob="focal_gamma", loss=loss)
