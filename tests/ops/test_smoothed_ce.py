"""The smoothed loss against torch.nn.functional.cross_entropy, or against a dense target for other
settings."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from lsbench.ops import SmoothedCrossEntropy, smoothed_cross_entropy
from lsbench.ops.smoothed_ce import CONVENTIONS

EXACT = {"rtol": 1e-12, "atol": 1e-12}
REDUCTIONS = ("none", "mean", "sum")


def draw(seed, scale=3.0):
    """Logits [N,K], target [N] with a few ignored rows (never all), weight [K], ignore_index."""
    g = torch.Generator().manual_seed(seed)
    rows, classes = (int(torch.randint(low, 40, (), generator=g)) for low in (1, 2))
    logits = (torch.randn(rows, classes, generator=g, dtype=torch.float64) * scale).requires_grad_()
    target = torch.randint(classes, (rows,), generator=g)
    ignore_index = (-100, -1, 0)[seed % 3]
    target[1:][torch.rand(rows - 1, generator=g) < 0.2] = ignore_index
    if target[0] == ignore_index:
        target[0] = classes - 1
    return logits, target, torch.rand(classes, generator=g, dtype=torch.float64) + 0.1, ignore_index


def explicit_q(target, classes, alpha, convention):
    """The target [N,K], filled in by hand from the definitions."""
    off_values = {"uniform": alpha / classes, "others": alpha / (classes - 1), "as_printed": alpha / classes}
    q = torch.full((len(target), classes), off_values[convention], dtype=torch.float64)
    q[range(len(target)), target] = 1 - alpha + (alpha / classes if convention == "uniform" else 0)
    return q


def gradient(loss, logits):
    return torch.autograd.grad(loss.sum(), logits)[0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_equals_pytorch_in_value_and_gradient(seed, weighted, reduction):
    logits, target, weight, ignore_index = draw(seed)
    same = {"weight": weight if weighted else None, "ignore_index": ignore_index, "reduction": reduction}
    for alpha in (0.0, 0.05, 0.1, 0.73):
        ours = smoothed_cross_entropy(logits, target, alpha, **same)
        reference = F.cross_entropy(logits, target, label_smoothing=alpha, **same)
        torch.testing.assert_close(ours, reference, **EXACT)
        torch.testing.assert_close(gradient(ours, logits), gradient(reference, logits), **EXACT)


@pytest.mark.parametrize("weighted", [False, True])
def test_alpha_per_row_equals_a_call_for_each_row(weighted):
    logits, target, weight, ignore_index = draw(3)
    weight = weight if weighted else None
    alpha = torch.linspace(0, 0.9, len(target), dtype=torch.float64)
    ours = smoothed_cross_entropy(
        logits, target, alpha, weight=weight, ignore_index=ignore_index, reduction="none"
    )
    reference = [
        F.cross_entropy(z, y, weight, ignore_index=ignore_index, label_smoothing=a.item(), reduction="sum")
        for z, y, a in zip(logits, target, alpha, strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(reference), **EXACT)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_tensor_alpha_equals_the_number(convention):
    logits, target, weight, ignore_index = draw(6)
    same = {"convention": convention, "weight": weight, "ignore_index": ignore_index}
    number = smoothed_cross_entropy(logits, target, 0.3, **same)
    for alpha in (torch.tensor(0.3, dtype=torch.float64), torch.full(target.shape, 0.3, dtype=torch.float64)):
        torch.testing.assert_close(smoothed_cross_entropy(logits, target, alpha, **same), number, **EXACT)


def test_a_float64_alpha_leaves_the_loss_float32():
    loss = smoothed_cross_entropy(torch.zeros(2, 3), torch.zeros(2).long(), torch.full((2,), 0.1).double())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_equals_the_target_of_the_convention_filled_in_by_hand(convention, weighted):
    for seed, alpha in itertools.product(range(5), (0.0, 0.1, 0.4)):
        logits, target, weight, _ = draw(seed)
        target = target.clamp(min=0)
        weight = weight if weighted else None
        q = explicit_q(target, logits.shape[1], alpha, convention)
        costs = -logits.log_softmax(-1) * (1 if weight is None else weight)
        ours = smoothed_cross_entropy(
            logits, target, alpha, convention=convention, weight=weight, reduction="none"
        )
        torch.testing.assert_close(ours, (q * costs).sum(-1), **EXACT)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradient_in_closed_form(convention):
    logits, target, _, _ = draw(1)
    target, alpha, classes = target.clamp(min=0), 0.2, logits.shape[1]
    q = explicit_q(target, classes, alpha, convention)
    total = 1 - alpha / classes if convention == "as_printed" else 1.0
    loss = smoothed_cross_entropy(logits, target, alpha, convention=convention, reduction="sum")
    torch.testing.assert_close(gradient(loss, logits), total * logits.softmax(-1) - q, **EXACT)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_first_and_second_derivatives(convention):
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, generator=g, dtype=torch.float64, requires_grad=True)
    alpha = torch.tensor([0.05, 0.1, 0.2, 0.5], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 4, -100, 2])

    def loss(z, a):
        return smoothed_cross_entropy(z, target, a, convention=convention)

    assert torch.autograd.gradcheck(loss, (logits, alpha))
    assert torch.autograd.gradgradcheck(loss, (logits, alpha))


def test_the_minimal_loss_and_the_logit_gap_that_attains_it():
    """K=10, alpha=0.1: entropy of q 0.5003, logit gap 4.511, confidence 0.91; no gap does better."""
    gaps = torch.tensor([4.511 - 0.01, math.log(0.91 / 0.01), 4.511 + 0.01], dtype=torch.float64)
    assert gaps[1].item() == pytest.approx(4.511, abs=5e-4)
    logits = torch.zeros(3, 10, dtype=torch.float64)
    logits[:, 7] = gaps
    below, least, above = smoothed_cross_entropy(logits, torch.full((3,), 7), 0.1, reduction="none").tolist()
    assert least == pytest.approx(0.5003, abs=5e-5)
    assert least < below
    assert least < above
    assert logits.softmax(-1)[1, 7].item() == pytest.approx(0.91, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_all_rows_ignored_equals_pytorch(reduction, weighted):
    logits, target = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.full((3,), -100)
    same = {"weight": torch.ones(4) if weighted else None, "reduction": reduction}
    ours = smoothed_cross_entropy(logits, target, 0.1, **same)
    reference = F.cross_entropy(logits, target, label_smoothing=0.1, **same)
    torch.testing.assert_close(ours, reference, equal_nan=True)
    assert ours.isnan().all() == (reduction == "mean")


def test_no_rows_and_one_class():
    assert smoothed_cross_entropy(torch.zeros(0, 3), torch.zeros(0).long(), 0.1, reduction="sum") == 0
    assert smoothed_cross_entropy(torch.ones(2, 1), torch.zeros(2).long(), 0.1) == 0


def test_float16_with_many_classes_stays_finite_where_eager_pytorch_overflows():
    g = torch.Generator().manual_seed(0)
    exact = torch.randn(4, 8192, generator=g).half()
    target = torch.randint(8192, (4,), generator=g)
    logits = exact.clone().requires_grad_()
    loss = smoothed_cross_entropy(logits, target, 0.1)
    assert F.cross_entropy(exact, target, label_smoothing=0.1).isinf()
    assert loss.dtype == torch.float32
    reference = F.cross_entropy(exact.double(), target, label_smoothing=0.1)
    assert loss.item() == pytest.approx(reference.item(), rel=1e-6)
    our_grad = gradient(loss, logits)
    assert our_grad.dtype == torch.float16
    assert our_grad.isfinite().all()


def test_large_and_shifted_logits_lose_no_precision():
    logits = torch.tensor([[0.0, -5.0, 3.0], [0.0, 1000.0, -1000.0]])
    target = torch.tensor([2, 0])
    for dtype, rel in ((torch.float32, 1e-6), (torch.bfloat16, 1e-6), (torch.float64, 1e-14)):
        ours = smoothed_cross_entropy(logits.to(dtype), target, 0.1)
        reference = smoothed_cross_entropy(logits.double(), target, 0.1)
        assert ours.item() == pytest.approx(reference.item(), rel=rel)
        shifted = smoothed_cross_entropy((logits[:1] + 2**20).double(), target[:1], 0.1)
        assert shifted.item() == pytest.approx(
            smoothed_cross_entropy(logits[:1].double(), target[:1], 0.1).item(), rel=1e-12
        )


def test_a_class_masked_by_minus_infinity_adds_no_loss_without_smoothing():
    logits = torch.tensor([[0.0, 1.0, -math.inf]])
    loss = smoothed_cross_entropy(logits, torch.tensor([1]), 0.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)


LOGITS, TARGET = torch.zeros(2, 3), torch.tensor([0, 1])


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_label_out_of_range_is_an_index_error(label, reduction):
    with pytest.raises(IndexError, match="out of bounds"):
        smoothed_cross_entropy(LOGITS, torch.tensor([0, label]), 0.1, reduction=reduction)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.0}, "alpha=1.0: allowed is from 0 to below 1"),
        ({"alpha": -0.1}, "alpha=-0.1"),
        ({"alpha": math.nan}, "alpha=nan"),
        ({"alpha": torch.zeros(3)}, r"alpha: \[3\], expected a number, \[\] or \[2\]"),
        ({"convention": "Uniform"}, "convention='Uniform': allowed is one of uniform, others, as_printed"),
        ({"reduction": "batchmean"}, "reduction='batchmean': allowed is one of none, mean, sum"),
        ({"logits": torch.zeros(2, 3, 1)}, r"logits: torch.float32 \[2, 3, 1\], expected"),
        ({"logits": torch.zeros(2, 0)}, "K at least 1"),
        ({"logits": torch.zeros(2, 3).long()}, "logits: torch.int64"),
        ({"logits": torch.zeros(2, 1), "convention": "others"}, "K at least 2"),
        ({"target": torch.zeros(3).long()}, r"target: torch.int64 \[3\], expected torch.int64 \[2\]"),
        ({"target": torch.zeros(2)}, "target: torch.float32"),
        ({"weight": torch.ones(2)}, r"weight: \[2\], expected \[3\]"),
    ],
)
def test_invalid_input_is_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as refusal:
        smoothed_cross_entropy(**({"logits": LOGITS, "target": TARGET, "alpha": 0.1} | arguments))
    assert "\n" not in str(refusal.value)


def test_the_module_equals_the_function_and_shows_its_settings():
    weight = torch.tensor([1.0, 2.0, 4.0])
    settings = {"convention": "others", "ignore_index": 1, "reduction": "sum"}
    module = SmoothedCrossEntropy(0.1, weight=weight, **settings)
    expected = smoothed_cross_entropy(LOGITS, TARGET, 0.1, weight=weight, **settings)
    torch.testing.assert_close(module(LOGITS, TARGET), expected)
    assert module.double().weight.dtype == torch.float64
    assert repr(module) == (
        "SmoothedCrossEntropy(alpha=0.1, convention='others', ignore_index=1, reduction='sum')"
    )
    with pytest.raises(ValueError, match="alpha=2"):
        SmoothedCrossEntropy(2)
