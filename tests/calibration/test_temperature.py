"""Temperatures recovered from labels drawn at a known one, and compared with scipy's minimiser."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar

from lsbench.calibration.temperature import HIGHEST, LOWEST, Temperature, fit_temperature, rescale

TRUE = (0.01, 0.05, 0.3, 1.0, 3.0, 20.0, 200.0)


def draw(temperatures, rows, classes=10, seed=0):
    """Logits [M,N,K] that are calibrated once divided by their member's temperature, and labels [M,N]."""
    g = torch.Generator().manual_seed(seed)
    calibrated = 2 * torch.randn(len(temperatures), rows, classes, generator=g, dtype=torch.float64)
    labels = torch.multinomial(calibrated.softmax(-1).flatten(0, 1), 1, generator=g)
    scale = torch.tensor(temperatures, dtype=torch.float64)
    return calibrated * scale[:, None, None], labels.reshape(len(temperatures), rows)


def test_a_known_temperature_is_recovered_within_two_per_cent():
    """With 40,000 rows the estimate's own standard error is below 0.5 %."""
    logits, labels = draw(TRUE, rows=40_000)
    fitted = fit_temperature(logits, labels)
    assert fitted.flag == [""] * len(TRUE)
    assert fitted.value.dtype == torch.float64
    assert fitted.value.tolist() == pytest.approx(TRUE, rel=0.02)


def test_the_minimiser_is_scipys():
    logits, labels = draw(TRUE, rows=500, seed=1)
    fitted = fit_temperature(logits, labels).value.tolist()
    for z, y, ours, true in zip(logits, labels, fitted, TRUE, strict=True):
        near = -math.log(true)
        reference = minimize_scalar(
            lambda s, z=z, y=y: F.cross_entropy(z * math.exp(s), y).item(),
            bounds=(near - 1, near + 1),
            method="bounded",
            options={"xatol": 1e-10},
        )
        # a minimum of values shows its place to the square root of their precision only
        assert ours == pytest.approx(math.exp(-reference.x), rel=1e-6)


def test_the_slope_at_the_minimum_is_zero():
    logits, labels = draw((0.01, 0.5, 7.0), rows=100, seed=2)
    temperature = fit_temperature(logits, labels)
    s = (-temperature.value.log()).requires_grad_()
    losses = [F.cross_entropy(z * b, y) for z, y, b in zip(logits, labels, s.exp(), strict=True)]
    (slope,) = torch.autograd.grad(sum(losses), s)
    assert slope.abs().max().item() < 1e-12


def test_margins_of_very_different_size_converge_in_few_steps(monkeypatch):
    """Many rows right by 100 and one wrong by 1e-6: without its safeguards Newton's method takes 29 steps."""
    cases = [(100.0, 1e-6, 1000), (100.0, 1e-6, 10), (1e4, 1.0, 1000), (1.0, 0.1, 1000)]
    for right, wrong, rows in cases:
        logits = torch.tensor([[[right, 0.0]] * rows + [[-wrong, 0.0]]], dtype=torch.float64)
        labels = torch.zeros(1, rows + 1, dtype=torch.int64)
        monkeypatch.setattr("lsbench.calibration.temperature._STEPS", 18)
        temperature = fit_temperature(logits, labels)
        assert temperature.flag == [""]
        # the slope of the NLL: what the right rows still gain is what the wrong one loses
        b = 1 / temperature.value.item()
        gains = rows * right / (1 + math.exp(b * right))
        assert gains == pytest.approx(wrong / (1 + math.exp(-b * wrong)), rel=1e-9)


def test_members_together_are_members_alone():
    logits, labels = draw((0.02, 1.0, 150.0), rows=300)
    logits = torch.cat([logits, torch.zeros(1, 300, 10)])
    labels = torch.cat([labels, labels[:1]])
    together = fit_temperature(logits, labels)
    for member in range(len(logits)):
        alone = fit_temperature(logits[member : member + 1], labels[member])
        assert alone.value.item() == pytest.approx(together.value[member].item(), rel=1e-13)
        assert alone.flag == [together.flag[member]]
    backwards = fit_temperature(logits.flip(0), labels.flip(0))
    torch.testing.assert_close(backwards.value.flip(0), together.value, rtol=1e-13, atol=0)


def test_a_separable_split_is_flagged_and_left_as_it_is():
    logits, _ = draw((1.0, 0.01), rows=50)
    temperature = fit_temperature(logits, logits.argmax(-1))
    assert temperature.flag == ["separable", "separable"]
    assert temperature.value.tolist() == [1.0, 1.0]


def test_one_wrong_row_is_enough_for_a_minimum():
    logits, _ = draw((1.0,), rows=50)
    labels = logits.argmax(-1)
    labels[0, 0] = logits[0, 0].topk(2).indices[1]
    temperature = fit_temperature(logits, labels)
    assert temperature.flag == [""]
    assert 0 < temperature.value.item() < 1


def test_logits_that_tell_nothing_are_flagged():
    logits, labels = draw((1.0,), rows=200)
    against = -logits  # the label's logit is low more often than not
    constant = torch.full_like(logits, 3.0)
    broken = logits.clone()
    broken[0, 7, 2] = math.nan
    temperature = fit_temperature(torch.cat([against, constant, broken]), labels.expand(3, -1))
    assert temperature.flag == ["uninformative"] * 3
    assert temperature.value.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([[0.0, 0.0, 0.0]], [1]),
        ([[5.0]], [0]),
        ([[5.0], [-5.0]], [0, 0]),
        ([[2.0, 1.0]], [0]),
        ([[2.0, 1.0]], [1]),
        ([[2.0, 3.0, -9.0]], [0]),
        ([[1e30, -1e30], [0.0, 1e-30]], [0, 1]),
        ([[1e30, -1e30], [0.0, 1e-30]], [0, 0]),
        ([[1e30, -1e30], [0.0, 1e-30]], [1, 1]),
        ([[-1e200, 0.0], [1.0, 0.0], [0.5, 0.0]], [1, 0, 1]),
        ([[1e-300, 0.0], [1e-300, 0.0], [1e-300, 0.0]], [0, 0, 1]),
        ([[math.inf, 0.0]], [1]),
        ([[-math.inf, 0.0], [1.0, 0.0]], [1, 1]),
    ],
)
def test_extremes_give_a_temperature_within_its_range(logits, labels):
    logits = torch.tensor([logits], dtype=torch.float64)
    temperature = fit_temperature(logits, torch.tensor([labels]))
    value, (flag,) = temperature.value.item(), temperature.flag
    assert LOWEST <= value <= HIGHEST
    assert flag in ("", "separable", "uninformative")
    assert not flag or value == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_never_worse_than_leaving_the_logits(seed):
    """Few rows and logits of every scale: whatever is fitted, the calibrate split's NLL doesn't rise."""
    g = torch.Generator().manual_seed(seed)
    scale = torch.logspace(-6, 6, 60, dtype=torch.float64)
    logits = torch.randn(60, 6, 3, generator=g, dtype=torch.float64) * scale[:, None, None]
    labels = torch.randint(3, (60, 6), generator=g)
    temperature = fit_temperature(logits, labels)
    assert temperature.value.isfinite().all()
    after = rescale(logits, temperature)
    for before, scaled, y in zip(logits, after, labels, strict=True):
        plain = F.cross_entropy(before, y).item()
        assert F.cross_entropy(scaled, y).item() <= plain * (1 + 1e-12)


def test_apply_divides_each_member_by_its_own():
    temperature = Temperature(torch.tensor([2.0, 0.5]).double(), ["", ""])
    scaled = rescale(torch.ones(2, 3, 4), temperature)
    assert scaled.dtype == torch.float64
    assert scaled[:, 0, 0].tolist() == [0.5, 2.0]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\[3, 4\] and \[3\], expected \[M,N,K\] and \[M,N\] or \[N\]"):
        fit_temperature(torch.zeros(3, 4), torch.zeros(3).long())


def test_inference_tensors_and_gradients_are_no_hindrance():
    logits, labels = draw((2.0,), rows=100)
    assert not fit_temperature(logits.requires_grad_(), labels).value.requires_grad
    with torch.inference_mode():
        assert fit_temperature(logits.float() * 1, labels).flag == [""]
