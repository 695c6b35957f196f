"""Knowledge distillation (Hinton, Vinyals & Dean 2015, arXiv:1503.02531): learning from a trained network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.terms import Method, TeacherBatch


def distill(losses: Tensor, logits: Tensor, teacher: TeacherBatch, strength: Tensor) -> Tensor:
    """(1 − w)·loss + w·τ²·KL(teacher ‖ student), both softened: softmax(z/τ), w the strength.

    τ² keeps the gradient's size as τ grows (their section 2). The divergence has the gradient of the cross
    entropy that they write, and is 0 for a student that has learnt everything.
    """
    weight = strength.to(logits.dtype)[:, None]
    tau = teacher.temperature.to(logits.dtype)[:, None, None]
    student = F.log_softmax(logits / tau, dim=-1)
    taught = F.log_softmax(teacher.logits / tau, dim=-1)
    divergence = (taught.exp() * (taught - student)).sum(-1)
    mixed = (1 - weight) * losses + weight * tau.squeeze(-1) ** 2 * divergence
    return torch.where(weight > 0, mixed, losses)


# A mixture of images is nothing that the teacher was asked about.
METHOD = Method(knob="distillation", high=1, closed=True, excludes=("mixup_beta",), distill=distill)
