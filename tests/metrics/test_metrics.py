"""Every metric against an outside implementation, values worked out by hand, and plain numpy loops."""

import math
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from lsbench import metrics
from lsbench.calibration.bins import equal_width_bins
from lsbench.terms import BINS

MEMBERS, ROWS, CLASSES = 4, 1000, 5


def compute(name, probs, labels):
    return import_module(f"lsbench.metrics.{name}").compute(probs, labels)


def scalar(name, rows, labels):
    """The metric as a number, for one member given as nested lists."""
    return compute(name, torch.tensor([rows], dtype=torch.float64), torch.tensor([labels])).item()


@pytest.fixture(scope="module")
def drawn():
    """Probabilities float64 [M,N,K], sharper from member to member, and labels [M,N] drawn from those of the
    second."""
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(MEMBERS, ROWS, CLASSES, generator=g, dtype=torch.float64)
    probs = (logits * torch.tensor([0.5, 1.0, 3.0, 10.0])[:, None, None]).softmax(-1)
    labels = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1, generator=g).reshape(MEMBERS, ROWS)
    return probs, labels


def test_names_stand_in_the_order_of_the_columns():
    expected = "accuracy nll brier ece ece_mass ece_classwise mce confidence_gap"
    assert [name for name in metrics.NAMES if name in expected.split()] == expected.split()
    assert metrics.NAMES[: len(expected.split())] == tuple(expected.split())


def test_a_new_metric_is_one_new_file(tmp_path, monkeypatch):
    (tmp_path / "certainty.py").write_text("def compute(probs, labels):\n    return probs.amax((-1, -2))\n")
    (tmp_path / "_private.py").write_text("")
    folders = [*metrics.__path__, str(tmp_path)]
    spec = spec_from_file_location(metrics.__name__, metrics.__file__, submodule_search_locations=folders)
    extended = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, metrics.__name__, extended)
    spec.loader.exec_module(extended)
    assert sorted(extended.NAMES) == sorted([*metrics.NAMES, "certainty"])
    measured = extended.measure(torch.zeros(2, 3, 4), torch.zeros(3).long())
    assert measured["certainty"].tolist() == [0.25, 0.25]


def test_measure_takes_logits_and_gives_every_metric(drawn):
    probs, labels = drawn
    measured = metrics.measure(probs.log() + 7, labels)
    assert tuple(measured) == metrics.NAMES
    for name, values in measured.items():
        assert values.shape == (MEMBERS,)
        assert values.dtype == torch.float64
        torch.testing.assert_close(values, compute(name, probs, labels), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_softmax_is_taken_in_float64(drawn, dtype):
    logits = drawn[0].log().to(dtype)
    for name, values in metrics.measure(logits, drawn[1]).items():
        assert torch.equal(values, metrics.measure(logits.double(), drawn[1])[name])


def test_measure_refuses_shapes_that_do_not_fit():
    for logits, labels in (((3, 4), (3,)), ((2, 3, 4), (2,)), ((2, 3, 4), (3, 2))):
        with pytest.raises(ValueError, match=r"expected \[M,N,K\] and \[M,N\] or \[N\]"):
            metrics.measure(torch.zeros(logits), torch.zeros(labels).long())


@pytest.mark.parametrize("name", metrics.NAMES)
def test_members_together_are_members_alone(drawn, name):
    probs, labels = drawn
    together = compute(name, probs, labels)
    alone = torch.cat([compute(name, p[None], y[None]) for p, y in zip(probs, labels, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", metrics.NAMES)
def test_labels_may_be_shared(drawn, name):
    probs, labels = drawn
    shared = compute(name, probs, labels[0])
    assert torch.equal(shared, compute(name, probs, labels[:1].repeat(MEMBERS, 1)))


def test_accuracy_is_torchmetrics(drawn):
    for p, y, ours in zip(*drawn, compute("accuracy", *drawn), strict=True):
        reference = multiclass_accuracy(p, y, CLASSES, average="micro")
        assert ours.item() == pytest.approx(reference.item(), abs=1e-7)


@pytest.mark.parametrize(("name", "norm"), [("ece", "l1"), ("mce", "max")])
def test_calibration_error_is_torchmetrics(drawn, name, norm):
    """Agreement to 1e-5 only, because torchmetrics sums in float32."""
    for p, y, ours in zip(*drawn, compute(name, *drawn), strict=True):
        reference = multiclass_calibration_error(p, y, CLASSES, n_bins=BINS, norm=norm)
        assert ours.item() == pytest.approx(reference.item(), abs=1e-5)


@pytest.mark.parametrize("name", ["ece", "mce"])
def test_calibration_error_is_netcal(drawn, name):
    reference = getattr(pytest.importorskip("netcal.metrics"), name.upper())(BINS)
    for p, y, ours in zip(*drawn, compute(name, *drawn), strict=True):
        assert ours.item() == pytest.approx(reference.measure(p.numpy(), y.numpy()), abs=1e-12)


def test_nll_is_scikit_learn(drawn):
    probs, labels = drawn
    probs = probs.clamp(min=1e-15)  # scikit-learn clips at 2.2e-16
    for p, y, ours in zip(probs, labels, compute("nll", probs, labels), strict=True):
        assert ours.item() == pytest.approx(sklearn.metrics.log_loss(y, p), rel=1e-12)


def test_brier_is_scikit_learn(drawn):
    for p, y, brier in zip(*drawn, compute("brier", *drawn), strict=True):
        onehot = np.eye(CLASSES)[y.numpy()]
        per_class = [sklearn.metrics.brier_score_loss(onehot[:, k], p[:, k]) for k in range(CLASSES)]
        assert brier.item() == pytest.approx(sum(per_class), rel=1e-12)


def binned_gap(scores, hits):
    """The mean over rows of their bin's |mean score − mean hit|; bins are found by comparing with edges."""
    total = 0.0
    for b in range(BINS):
        inside = (scores > b / BINS) & (scores <= (b + 1) / BINS)
        if b == 0:
            inside |= scores == 0
        if inside.any():
            total += inside.mean() * abs(scores[inside].mean() - hits[inside].mean())
    return total


def test_classwise_is_a_loop_over_classes(drawn):
    for p, y, ours in zip(*(t.numpy() for t in drawn), compute("ece_classwise", *drawn), strict=True):
        reference = np.mean([binned_gap(p[:, k], y == k) for k in range(CLASSES)])
        assert ours.item() == pytest.approx(reference, abs=1e-13)


@pytest.mark.parametrize("rows", [ROWS, 997, 20, 7, 1])
def test_equal_mass_is_a_loop_over_sorted_rows(drawn, rows):
    probs, labels = (t[:, :rows] for t in drawn)
    probs = (probs * 50).round() / 50  # many ties
    for p, y, ours in zip(probs.numpy(), labels.numpy(), compute("ece_mass", probs, labels), strict=True):
        gap = p.max(1) - (p.argmax(1) == y)
        left = sorted(range(rows), key=lambda i, p=p: (p[i].max(), i))
        total = 0.0
        for b in range(BINS):
            size = rows // BINS + (b < rows % BINS)
            total += abs(sum(gap[i] for i in left[:size]))
            left = left[size:]
        assert left == []
        assert ours.item() == pytest.approx(total / rows, abs=1e-13)


def test_a_bin_holds_its_upper_edge_and_the_first_its_lower_too():
    edges = torch.tensor([k / BINS for k in range(BINS + 1)], dtype=torch.float64)
    expected = torch.ones(BINS, dtype=torch.float64)
    expected[0] += 1  # 0 and 1/15
    assert torch.equal(equal_width_bins(edges, edges > 2).count, expected)
    for k, edge in enumerate(edges[1:-1], start=1):
        above = equal_width_bins(edge[None] * (1 + 1e-12), torch.tensor([True]))
        assert above.count.argmax() == k


def test_values_worked_out_by_hand():
    """Four rows: 0.9 right, 0.9 wrong, 0.6 right and 0.55 right, so that 0.55 and 0.6 share bin 9."""
    rows, labels = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.45, 0.55]], [0, 1, 0, 1]
    assert scalar("accuracy", rows, labels) == 0.75
    assert scalar("nll", rows, labels) == pytest.approx(-math.log(0.9 * 0.1 * 0.6 * 0.55) / 4)
    assert scalar("brier", rows, labels) == pytest.approx(2 * (0.1**2 + 0.9**2 + 0.4**2 + 0.45**2) / 4)
    assert scalar("ece", rows, labels) == pytest.approx((0.8 + 0.85) / 4)
    assert scalar("mce", rows, labels) == pytest.approx(0.85 / 2)
    assert scalar("ece_mass", rows, labels) == pytest.approx((0.45 + 0.4 + 0.1 + 0.9) / 4)  # bins of one row
    # class 0: bins hold {.9,.9}, {.6}, {.45}; class 1: {.1,.1}, {.4}, {.55}; the gaps mirror each other
    assert scalar("ece_classwise", rows, labels) == pytest.approx((0.8 + 0.4 + 0.45) / 4)
    assert scalar("confidence_gap", rows, labels) == pytest.approx(2.95 / 4 - 0.75)


def test_the_gap_has_a_sign():
    assert scalar("confidence_gap", [[1.0, 0.0]], [1]) == 1.0
    assert scalar("confidence_gap", [[0.6, 0.4]], [0]) == pytest.approx(-0.4)


def test_confidence_when_wrong_is_that_of_the_wrong_rows_alone(drawn):
    assert scalar("confidence_wrong", [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], [0, 1, 0]) == pytest.approx(0.65)
    assert math.isnan(scalar("confidence_wrong", [[0.9, 0.1]], [0]))
    probs, labels = (tensor.numpy() for tensor in drawn)
    for member, value in enumerate(compute("confidence_wrong", *drawn)):
        wrong = probs[member].argmax(1) != labels[member]
        assert value == pytest.approx(probs[member][wrong].max(1).mean(), rel=1e-12)


def test_certain_and_right_or_wrong():
    zero_costs = -math.log(torch.finfo(torch.float64).tiny)
    assert zero_costs == pytest.approx(708.4, abs=0.05)
    for label, wrong in ((0, 0.0), (1, 1.0)):
        for name in ("ece", "mce", "ece_mass", "ece_classwise", "confidence_gap"):
            assert scalar(name, [[1.0, 0.0]], [label]) == wrong
        assert scalar("accuracy", [[1.0, 0.0]], [label]) == 1 - wrong
        assert scalar("brier", [[1.0, 0.0]], [label]) == 2 * wrong
        assert scalar("nll", [[1.0, 0.0]], [label]) == pytest.approx(wrong * zero_costs)


def test_a_tie_goes_to_the_first_class():
    for label, right in ((0, 1.0), (1, 0.0), (2, 0.0)):
        assert scalar("accuracy", [[0.4, 0.4, 0.2]], [label]) == right
        assert scalar("ece", [[0.4, 0.4, 0.2]], [label]) == pytest.approx(abs(0.4 - right))


def test_one_class_is_always_right():
    for name in set(metrics.NAMES) - {"confidence_wrong"}:
        assert scalar(name, [[1.0], [1.0]], [0, 0]) == (name == "accuracy")
    assert math.isnan(scalar("confidence_wrong", [[1.0], [1.0]], [0, 0]))


def test_torchmetrics_puts_confidence_one_into_a_bin_of_its_own():
    """Rows at 1.0 (half of them right) and at 0.95 (right) belong in one bin: |3.9 − 3|/4."""
    rows = [[1.0, 0.0], [1.0, 0.0], [0.95, 0.05], [0.95, 0.05]]
    labels = [0, 1, 0, 0]
    reference = multiclass_calibration_error(torch.tensor(rows), torch.tensor(labels), 2, n_bins=BINS)
    assert scalar("ece", rows, labels) == pytest.approx(0.225)
    assert reference.item() == pytest.approx((2 * 0.5 + 2 * 0.05) / 4)


def test_torchmetrics_takes_logits_within_zero_and_one_for_probabilities():
    logits = torch.tensor([[0.0, 1.0], [0.2, 0.9], [0.4, 0.8]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 1])
    ours = metrics.measure(logits[None], labels)["ece"].item()
    reference = multiclass_calibration_error(logits.softmax(-1), labels, 2, n_bins=BINS).item()
    left_to_guess = multiclass_calibration_error(logits, labels, 2, n_bins=BINS).item()
    assert ours == pytest.approx(reference, abs=1e-6)
    assert left_to_guess == pytest.approx((1.0 + 0.1 + 0.2) / 3, abs=1e-6)
    assert abs(ours - left_to_guess) > 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_same_on_a_gpu(drawn):
    on_cpu = metrics.measure(drawn[0].log(), drawn[1])
    on_gpu = metrics.measure(drawn[0].log().cuda(), drawn[1].cuda())
    for name, values in on_gpu.items():
        assert values.device.type == "cuda"
        torch.testing.assert_close(values.cpu(), on_cpu[name], rtol=1e-10, atol=1e-10)
