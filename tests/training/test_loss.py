"""The loss of mixed rows and of several methods at once, against torch's cross entropy with soft targets."""

import pytest
import torch
import torch.nn.functional as F

from lsbench.methods import Active, confidence_penalty, focal
from lsbench.terms import Batch, Method, Target
from lsbench.training.loss import training_losses

EXACT = {"rtol": 1e-12, "atol": 1e-12}
NO_IMAGES = torch.empty(0)
ALPHA = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
ZERO = torch.zeros(3, dtype=torch.int64)


@pytest.fixture
def drawn():
    g = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 15, 4, generator=g, dtype=torch.float64)
    labels, others = torch.randint(4, (2, 3, 15), generator=g)
    return logits.requires_grad_(), labels, others, torch.rand(3, 15, generator=g, dtype=torch.float64)


def gradient(losses, logits):
    return torch.autograd.grad(losses.sum(), logits)[0]


def test_mixed_labels_are_soft_targets_for_torchs_cross_entropy(drawn):
    """PyTorch smooths soft targets: (1 − alpha)·target + alpha/K."""
    logits, labels, others, share = drawn
    ours = training_losses(logits, Batch(NO_IMAGES, labels, ((others, share),)), ALPHA, "uniform", [])
    one_hot, other_one_hot = (F.one_hot(classes, 4).double() for classes in (labels, others))
    soft = (1 - share)[..., None] * one_hot + share[..., None] * other_one_hot
    reference = torch.stack(
        [
            F.cross_entropy(z, q, label_smoothing=alpha, reduction="none")
            for z, q, alpha in zip(logits, soft, ALPHA.tolist(), strict=True)
        ]
    )
    torch.testing.assert_close(ours, reference, **EXACT)
    torch.testing.assert_close(gradient(ours, logits), gradient(reference, logits), **EXACT)


def test_labels_with_share_0_change_no_bit(drawn):
    logits, labels, others, _ = drawn
    plain = training_losses(logits, Batch(NO_IMAGES, labels), ALPHA, "others", [])
    ours = training_losses(
        logits, Batch(NO_IMAGES, labels, ((others, torch.zeros(3, 1)),)), ALPHA, "others", []
    )
    assert torch.equal(ours, plain) and torch.equal(gradient(ours, logits), gradient(plain, logits))


def test_methods_combine_in_any_order(drawn):
    """The focal loss is applied for each label, the penalty once."""
    logits, labels, others, share = drawn
    gamma, weight = (
        torch.tensor(values, dtype=torch.float64) for values in ([2.0, 0.0, 1.0], [0.5, 0.2, 0.0])
    )
    methods = [Active(focal.METHOD, gamma, ZERO), Active(confidence_penalty.METHOD, weight, ZERO)]
    batch = Batch(NO_IMAGES, labels, ((others, share),))
    ours, reversed_order = (
        training_losses(logits, batch, ALPHA, "uniform", order) for order in (methods, methods[::-1])
    )
    assert torch.equal(ours, reversed_order)
    losses, other_losses = (
        training_losses(logits, Batch(NO_IMAGES, classes), ALPHA, "uniform", methods[:1])
        for classes in (labels, others)
    )
    penalty = confidence_penalty.penalty(logits, weight)
    torch.testing.assert_close(ours, (1 - share) * losses + share * other_losses + penalty, **EXACT)


@pytest.mark.parametrize("convention", ["uniform", "others", "as_printed"])
def test_the_mean_of_minus_log_p_over_the_target_is_the_smoothed_loss(convention, drawn):
    logits, labels, _, _ = drawn

    def mean(losses: torch.Tensor, logits: torch.Tensor, target: Target, strength: torch.Tensor):
        return target.mean(-F.log_softmax(logits, dim=-1))

    same = Active(Method(knob="same", loss=mean), torch.ones(3), ZERO)
    ours, plain = (
        training_losses(logits, Batch(NO_IMAGES, labels), ALPHA, convention, active)
        for active in ([same], [])
    )
    torch.testing.assert_close(ours, plain, **EXACT)
