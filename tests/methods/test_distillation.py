"""Distillation against torch's kl_div and cross_entropy, combined as in Hinton et al."""

import pytest
import torch
import torch.nn.functional as F

from lsbench.methods import Active, confidence_penalty, distillation
from lsbench.terms import Batch, TeacherBatch
from lsbench.training.loss import training_losses

EXACT = {"rtol": 1e-12, "atol": 1e-12}
ALPHA = torch.tensor([0.0, 0.1, 0.3, 0.0], dtype=torch.float64)
WEIGHT = torch.tensor([0.9, 0.4, 0.0, 1.0], dtype=torch.float64)
TAU = torch.tensor([4.0, 1.0, 3.0, 0.5], dtype=torch.float64)
ZERO = torch.zeros(4, dtype=torch.int64)
ON = [Active(distillation.METHOD, WEIGHT, ZERO)]


@pytest.fixture
def drawn():
    g = torch.Generator().manual_seed(0)
    logits, teacher = 3 * torch.randn(2, 4, 15, 5, generator=g, dtype=torch.float64)
    labels = torch.randint(5, (4, 15), generator=g)
    return logits.requires_grad_(), Batch(torch.empty(0), labels, teacher=TeacherBatch(teacher, TAU))


def by_hand(logits, batch, member):
    weight, tau = WEIGHT[member].item(), TAU[member].item()
    hard = F.cross_entropy(
        logits[member], batch.labels[member], label_smoothing=ALPHA[member].item(), reduction="none"
    )
    soft = F.kl_div(
        F.log_softmax(logits[member] / tau, dim=-1),
        F.softmax(batch.teacher.logits[member] / tau, dim=-1),
        reduction="none",
    ).sum(-1)
    return (1 - weight) * hard + weight * tau**2 * soft


def gradient(losses, logits):
    return torch.autograd.grad(losses.sum(), logits)[0]


def test_losses_and_gradients_are_those_of_torch(drawn):
    logits, batch = drawn
    ours = training_losses(logits, batch, ALPHA, "uniform", ON)
    reference = torch.stack([by_hand(logits, batch, member) for member in range(4)])
    torch.testing.assert_close(ours, reference, **EXACT)
    torch.testing.assert_close(gradient(ours, logits), gradient(reference, logits), **EXACT)


def test_the_gradient_is_tau_times_the_difference_of_the_softened_probabilities(drawn):
    """Hinton et al. 2015, equation 2, times τ²."""
    logits, batch = drawn
    actual = gradient(training_losses(logits, batch, ALPHA, "uniform", ON), logits)[3]
    softened = F.softmax(batch.teacher.logits[3] / TAU[3], dim=-1)
    torch.testing.assert_close(actual, TAU[3] * (F.softmax(logits[3] / TAU[3], dim=-1) - softened), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_0_changes_no_bit(drawn, dtype):
    logits, batch = drawn
    logits = logits.detach().to(dtype).requires_grad_()
    batch = Batch(batch.images, batch.labels, teacher=TeacherBatch(batch.teacher.logits.to(dtype), TAU))
    ours = training_losses(logits, batch, ALPHA, "uniform", ON)
    plain = training_losses(logits, Batch(batch.images, batch.labels), ALPHA, "uniform", [])
    assert ours.dtype == dtype
    assert torch.equal(ours[2], plain[2]) and not torch.equal(ours[1], plain[1])
    assert torch.equal(gradient(ours, logits)[2], gradient(plain, logits)[2])


def test_a_student_equal_to_its_teacher_has_no_gradient(drawn):
    logits, batch = drawn
    equal = Batch(batch.images, batch.labels, teacher=TeacherBatch(logits.detach() + 7, TAU))
    losses = training_losses(logits, equal, ALPHA, "uniform", ON)
    assert losses[3].abs().max() < 1e-13 and gradient(losses, logits)[3].abs().max() < 1e-13


def test_penalties_are_added_in_any_order(drawn):
    logits, batch = drawn
    strength = torch.full((4,), 0.3, dtype=torch.float64)
    both = [*ON, Active(confidence_penalty.METHOD, strength, ZERO)]
    ours, reversed_order = (
        training_losses(logits, batch, ALPHA, "uniform", order) for order in (both, both[::-1])
    )
    assert torch.equal(ours, reversed_order)
    expected = training_losses(logits, batch, ALPHA, "uniform", ON)
    torch.testing.assert_close(ours, expected + confidence_penalty.penalty(logits, strength), **EXACT)


def test_distant_logits_give_finite_losses_and_gradients():
    logits = torch.tensor([[[1e4, -1e4, 0.0]]], requires_grad=True)
    teacher = TeacherBatch(torch.tensor([[[-1e4, 1e4, 0.0]]]), torch.tensor([4.0]))
    losses = distillation.distill(torch.zeros(1, 1), logits, teacher, torch.tensor([0.5]))
    assert losses.item() == pytest.approx(0.5 * 16 * 2e4 / 4)
    assert gradient(losses, logits).isfinite().all()
