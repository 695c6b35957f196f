import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lsbench.probes import _attacks, load_trained_model, pgd, run_probe

CPU = torch.device("cpu")
EPSILON = 0.1


def linear(classes, low=0.0, high=1.0, rows=20, channels=1):
    """A linear network in float64, and images with pixels in [low, high]."""
    random = torch.Generator().manual_seed(0)
    layer = nn.Sequential(nn.Flatten(), nn.Linear(channels * 12, classes)).double().requires_grad_(False)
    layer[1].weight.copy_(torch.randn(classes, channels * 12, generator=random, dtype=torch.float64))
    pixels = torch.rand(rows, channels, 3, 4, generator=random, dtype=torch.float64) * (high - low) + low
    return layer, pixels, torch.arange(rows) % classes


def starts(pixels, epsilon=EPSILON):
    random = torch.Generator().manual_seed(1)
    return pixels + epsilon * (2 * torch.rand(pixels.shape, generator=random, dtype=pixels.dtype) - 1)


def attacks(layer, pixels, labels, epsilon=EPSILON):
    yield _attacks.fgsm(layer, pixels, labels, epsilon)
    for objective in (_attacks.cross_entropy, _attacks.margin):
        yield _attacks.pgd(layer, pixels, labels, epsilon, start=starts(pixels, epsilon), objective=objective)


def test_on_a_linear_network_the_margin_changes_by_epsilon_times_the_l1_distance_of_the_weights():
    """Goodfellow et al. 2015, section 4: w·(x + eps·sign w) = w·x + eps·|w|_1. No pixel is clipped."""
    layer, pixels, labels = linear(2, low=0.2, high=0.8)
    weight = layer[1].weight
    expected = EPSILON * (weight[0] - weight[1]).abs().sum()
    before = _attacks.margin(layer(pixels), labels)
    for attacked in attacks(layer, pixels, labels):
        gained = _attacks.margin(layer(attacked), labels) - before
        assert torch.allclose(gained, expected.expand(20), rtol=1e-12)


def test_pixels_are_clipped_to_the_valid_range():
    layer, pixels, labels = linear(2)
    weight = layer[1].weight
    toward = (weight[1 - labels] - weight[labels]).view_as(pixels)
    room = torch.where(toward > 0, 1 - pixels, pixels).clamp(max=EPSILON)
    expected = (toward.abs() * room).flatten(1).sum(1)
    before = _attacks.margin(layer(pixels), labels)
    assert (room < EPSILON).any()
    for attacked in attacks(layer, pixels, labels):
        assert torch.allclose(_attacks.margin(layer(attacked), labels) - before, expected, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 8 / 255, 0.1, 0.7])
def test_attacked_images_stay_in_the_box_and_are_images(epsilon):
    layer, pixels, labels = linear(5, channels=3)
    for attacked in attacks(layer, pixels, labels, epsilon):
        assert (attacked - pixels).abs().max() <= epsilon + 1e-12
        assert attacked.min() >= 0 and attacked.max() <= 1
        assert torch.equal(attacked, pixels) == (epsilon == 0)


def test_fgsm_equals_the_attack_on_plain_cross_entropy():
    layer, pixels, labels = linear(7)
    given = pixels.clone().requires_grad_()
    loss = F.cross_entropy(layer(given), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, given)
    expected = (pixels + EPSILON * gradient.sign()).clamp(0, 1)
    assert torch.allclose(_attacks.fgsm(layer, pixels, labels, EPSILON), expected, atol=1e-15)


def test_the_objectives_are_a_function_of_cross_entropy_and_the_margin():
    logits = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 9
    labels = torch.arange(50) % 6
    exact = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(F.softplus(_attacks.cross_entropy(logits, labels)), exact, rtol=1e-12)
    at_label = logits.numpy()[np.arange(50), labels]
    others = [np.delete(row, label).max() for row, label in zip(logits.numpy(), labels, strict=True)]
    assert np.allclose(_attacks.margin(logits, labels), others - at_label)


def test_a_network_too_confident_for_float32_is_attacked_equally():
    """Logits times a hundred are the same classifier, but cross entropy has no gradient there."""
    layer, pixels, _ = linear(4)
    labels = layer(pixels).argmax(1)
    layer, pixels = layer.float(), pixels.float()

    def sure(images):
        return 1e3 * layer(images)

    given = pixels.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(sure(given), labels, reduction="sum"), given)
    masked = (gradient == 0).flatten(1).all(1)
    assert masked.sum() > 10
    moved = _attacks.fgsm(sure, pixels, labels, EPSILON)
    assert (moved != pixels).flatten(1).any(1).all()
    fallen = _attacks.margin(layer(moved), labels) > _attacks.margin(layer(pixels), labels)
    assert fallen.all()


def test_pgd_returns_the_worst_iterate():
    """If the objective misleads all steps, the original image is returned."""
    layer, pixels, labels = linear(3, low=0.2, high=0.8)
    attacked = _attacks.pgd(
        layer, pixels, labels, EPSILON, start=pixels, objective=lambda z, y: -_attacks.margin(z, y)
    )
    assert torch.equal(attacked, pixels)


def test_the_worse_of_two_images_is_chosen_row_by_row():
    layer, pixels, labels = linear(3)
    flipped = pixels.flip(0)
    worst = _attacks.worst_of(layer, labels, pixels, flipped)
    margins = [_attacks.margin(layer(images), labels) for images in (worst, pixels, flipped)]
    assert torch.equal(margins[0], torch.maximum(margins[1], margins[2]))
    assert not torch.equal(worst, pixels) and not torch.equal(worst, flipped)


def test_greyscale_and_colour_have_different_epsilons():
    assert _attacks.epsilon_for(torch.zeros(2, 1, 4, 4)) == 0.1
    assert _attacks.epsilon_for(torch.zeros(2, 3, 4, 4)) == 8 / 255


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_a_stronger_attack_lowers_accuracy_and_epsilon_0_does_not(model, store, tmp_path, monkeypatch):
    run_id = store(model, epochs=6 if model == "mlp" else 2, seed=1)
    trained = load_trained_model(tmp_path, run_id, CPU)
    pixels, labels = trained.sample("test", 1000)
    clean = (trained.forward(pixels).argmax(1) == labels).double().mean().item()
    monkeypatch.setattr(_attacks, "GREY", 0.15)
    fgsm, strong = run_probe(tmp_path, run_id, "fgsm"), run_probe(tmp_path, run_id, "pgd")
    least = min(strong["pgd_ce_accuracy"], strong["pgd_margin_accuracy"])
    assert strong["pgd_accuracy"] <= least <= fgsm["fgsm_accuracy"] + 1e-12 <= clean + 1e-12
    assert strong["pgd_accuracy"] < clean
    assert fgsm["fgsm_rows"] == strong["pgd_rows"] == 14
    assert fgsm["fgsm_epsilon"] == strong["pgd_epsilon"] == 0.15
    assert 1 / 3 < strong["pgd_confidence"] <= 1 and 1 / 3 < fgsm["fgsm_confidence"] <= 1
    monkeypatch.setattr(_attacks, "GREY", 0.0)
    unchanged = pgd.measure(trained)
    assert unchanged["pgd_accuracy"] == unchanged["pgd_ce_accuracy"] == pytest.approx(clean)


def test_starts_depend_on_the_seed_and_the_index_of_the_row(store, tmp_path):
    plain, smoothed, other_seed = (
        load_trained_model(tmp_path, store(alpha=alpha, seed=seed), CPU)
        for alpha, seed in ((0.0, 1), (0.2, 1), (0.0, 2))
    )
    pixels = torch.full((9, 1, 12, 12), 0.5, dtype=torch.float64)
    moved = pgd._starts(plain, pixels, 0.1) - pixels
    assert torch.equal(moved, pgd._starts(smoothed, pixels, 0.1) - pixels)
    assert torch.equal(moved[:4], pgd._starts(plain, pixels[:4], 0.1) - pixels[:4])
    assert not torch.equal(moved, pgd._starts(other_seed, pixels, 0.1) - pixels)
    assert moved.abs().max() <= 0.1 and moved.max() > 0.09 and moved.min() < -0.09
    assert abs(moved.mean()) < 5 * 0.1 / (3 * moved.numel()) ** 0.5
