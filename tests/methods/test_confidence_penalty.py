"""The confidence penalty against torch.distributions' entropy and its gradient in closed form."""

import math

import torch
from torch.distributions import Categorical

from lsbench.methods import Active, confidence_penalty
from lsbench.terms import Batch
from lsbench.training.loss import training_losses

EXACT = {"rtol": 1e-12, "atol": 1e-12}
NO_IMAGES = torch.empty(0)
WEIGHTS = torch.tensor([0.1, 0.0, 2.0], dtype=torch.float64)


def draw():
    g = torch.Generator().manual_seed(2)
    logits = 3 * torch.randn(3, 20, 6, generator=g, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(6, (3, 20), generator=g)


def losses(logits, batch, active, convention="uniform"):
    alphas = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
    methods = [Active(confidence_penalty.METHOD, WEIGHTS, torch.arange(3))] if active else []
    result = training_losses(logits, batch, alphas, convention, methods)
    return result, torch.autograd.grad(result.sum(), logits)[0]


def test_the_entropy_is_subtracted_from_the_smoothed_loss():
    logits, labels = draw()
    for convention in ("uniform", "others", "as_printed"):
        plain, plain_gradient = losses(logits, Batch(NO_IMAGES, labels), False, convention)
        ours, gradient = losses(logits, Batch(NO_IMAGES, labels), True, convention)
        entropy = Categorical(logits=logits.detach()).entropy()
        torch.testing.assert_close(ours, plain - WEIGHTS[:, None] * entropy, **EXACT)
        p = logits.detach().softmax(-1)
        entropy_grad = -p * (p.log() + entropy[..., None])  # dH/dz_k
        expected = plain_gradient - WEIGHTS[:, None, None] * entropy_grad
        torch.testing.assert_close(gradient, expected, **EXACT)
        assert torch.equal(ours[1], plain[1]) and torch.equal(gradient[1], plain_gradient[1]), "at 0"


def test_mixed_rows_are_penalised_once():
    logits, labels = draw()
    batch = Batch(NO_IMAGES, labels, ((labels.flip(1), torch.full((3, 1), 0.3)),))
    plain, ours = (losses(logits, batch, active, "as_printed")[0] for active in (False, True))
    entropy = Categorical(logits=logits).entropy()
    torch.testing.assert_close(plain - ours, WEIGHTS[:, None] * entropy, **EXACT)


def test_the_smallest_and_the_largest_entropy():
    logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [500.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    penalty = confidence_penalty.penalty(logits, torch.tensor([0.5]))
    torch.testing.assert_close(penalty, torch.tensor([[-0.5 * math.log(4), 0.0]]))
    assert torch.autograd.grad(penalty.sum(), logits)[0].isfinite().all()
