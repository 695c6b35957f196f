"""Knowledge distillation from a trained network (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.terms import Method, TeacherBatch


def distill(losses: Tensor, logits: Tensor, teacher: TeacherBatch, strength: Tensor) -> Tensor:
    """(1 − w)·loss + w·τ²·KL(teacher ‖ student) with the strength w and softened probabilities softmax(z/τ).

    The factor τ² keeps the size of the gradient as τ grows (their section 2). The divergence has the same
    gradient as the cross entropy in the paper, and is 0 for a student that equals its teacher.
    """
    weight = strength.to(logits.dtype)[:, None]
    tau = teacher.temperature.to(logits.dtype)[:, None, None]
    student = F.log_softmax(logits / tau, dim=-1)
    target = F.log_softmax(teacher.logits / tau, dim=-1)
    divergence = (target.exp() * (target - student)).sum(-1)
    mixed = (1 - weight) * losses + weight * tau.squeeze(-1) ** 2 * divergence
    return torch.where(weight > 0, mixed, losses)


# Excludes mixup: teacher logits are computed for the original images, not for mixed ones.
METHOD = Method(knob="distillation", high=1, closed=True, excludes=("mixup_beta",), distill=distill)
