import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from lsbench.terms import SPLIT_NAMES
from lsbench.training import evaluate
from lsbench.training.loop import Trained

SIZES = {"train": 60, "select": 50, "calibrate": 400, "test": 70}


def trained(members=3, diverged=(), seed=0):
    """Members with informative logits, each overconfident by a different factor."""
    generator = torch.Generator().manual_seed(seed)
    logits, labels = {}, {}
    for split, rows in SIZES.items():
        labels[split] = torch.randint(4, (members, rows), generator=generator)
        noise = torch.randn(members, rows, 4, generator=generator, dtype=torch.float64)
        signal = 1.5 * torch.nn.functional.one_hot(labels[split], 4)
        logits[split] = (noise + signal) * torch.arange(1, members + 1)[:, None, None]
    return Trained(
        logits,
        labels,
        test_rows=torch.randint(500, (members, SIZES["test"]), generator=generator),
        history=[[{"epoch": 1, "train_loss": 0.5}] for _ in range(members)],
        weights=[{"w": torch.full((2,), float(member))} for member in range(members)],
        diverged_step=[7 if member in diverged else -1 for member in range(members)],
        seconds=6.0,
    )


def nll(logits, labels, temperature=1.0):
    return -log_softmax(logits / temperature, axis=-1)[np.arange(len(labels)), labels].mean()


def drawn_ece(confidence):
    """The mean ECE over labels drawn from the confidences."""
    right = np.random.default_rng(0).random((2000, len(confidence))) < confidence
    bins = np.ceil(confidence * 15).astype(int)
    gaps = [np.abs((right - confidence)[:, bins == b].sum(1)) for b in range(1, 16)]
    return np.sum(gaps, axis=0).mean() / len(confidence)


def test_each_column_is_computed_on_its_split():
    stack = trained()
    for member, outcome in enumerate(evaluate.evaluate(stack)):
        columns = outcome.columns
        logits = {split: stack.logits[split][member].numpy() for split in SPLIT_NAMES}
        labels = {split: stack.labels[split][member].numpy() for split in SPLIT_NAMES}
        for split in ("train", "select", "test"):
            expected = accuracy_score(labels[split], logits[split].argmax(-1))
            assert columns[f"{split}_accuracy"] == pytest.approx(expected)
        probs = np.exp(log_softmax(logits["test"], axis=-1))
        assert columns["test_nll"] == pytest.approx(log_loss(labels["test"], probs, labels=range(4)))
        assert columns["select_nll"] == pytest.approx(nll(logits["select"], labels["select"]))
        best = minimize_scalar(
            lambda t, z=logits["calibrate"], y=labels["calibrate"]: nll(z, y, np.exp(t)), bounds=(-5, 5)
        )
        assert columns["temperature"] == pytest.approx(np.exp(best.x), rel=1e-4)
        scaled = nll(logits["test"], labels["test"], columns["temperature"])
        assert columns["test_nll_ts"] == pytest.approx(scaled)
        chosen_by = nll(logits["select"], labels["select"], columns["temperature"])
        assert columns["select_nll_ts"] == pytest.approx(chosen_by)
        for name, temperature in (("test_ece", 1.0), ("test_ece_ts", columns["temperature"])):
            probs = (stack.logits["test"][member] / temperature).softmax(-1)
            expected = multiclass_calibration_error(probs, stack.labels["test"][member], 4, n_bins=15)
            assert columns[name] == pytest.approx(expected.item(), abs=1e-5)
            floor = drawn_ece(probs.amax(-1).numpy())
            assert columns[name.replace("ece", "ece_floor")] == pytest.approx(floor, rel=0.03)
        assert columns["temperature_flag"] == ""
        assert (columns["n_train"], columns["n_test"], columns["stack_size"]) == (60, 70, 3)
        assert columns["train_seconds"] == pytest.approx(2.0)


def test_temperature_and_select_metrics_do_not_depend_on_test_labels():
    stack = trained()
    true = [outcome.columns for outcome in evaluate.evaluate(stack)]
    stack.labels["test"] = stack.labels["test"].roll(13, dims=1)
    rolled = [outcome.columns for outcome in evaluate.evaluate(stack)]
    for before, after in zip(true, rolled, strict=True):
        assert before["test_accuracy"] != after["test_accuracy"]
        for name in ("temperature", "temperature_flag", "select_nll", "select_nll_ts", "select_accuracy"):
            assert before[name] == after[name]


def test_predictions_hold_test_and_calibrate():
    outcome = evaluate.evaluate(trained())[1]
    arrays = {"test_rows", "test_logits", "test_labels", "calibrate_logits", "calibrate_labels"}
    assert set(outcome.predictions) == arrays
    assert outcome.predictions["test_logits"].dtype == np.float32
    assert np.allclose(outcome.predictions["test_logits"], trained().logits["test"][1])
    assert np.array_equal(outcome.predictions["calibrate_labels"], trained().labels["calibrate"][1])
    assert np.array_equal(outcome.predictions["test_rows"], trained().test_rows[1])


def test_the_stored_bins_give_the_calibration_errors():
    for outcome in evaluate.evaluate(trained()):
        for suffix in ("", "_ts"):
            errors = [
                abs(row[f"confidence{suffix}"] - row[f"correct{suffix}"]) for row in outcome.reliability
            ]
            assert sum(errors) / SIZES["test"] == pytest.approx(outcome.columns[f"test_ece{suffix}"])


def test_a_diverged_member_has_an_error_and_no_metrics():
    outcomes = evaluate.evaluate(trained(diverged={1}))
    assert [outcome.status for outcome in outcomes] == ["done", "diverged", "done"]
    lost = outcomes[1]
    assert "step 7" in lost.error and lost.columns["diverged_step"] == 7
    assert "test_accuracy" not in lost.columns and not lost.predictions and not lost.weights and lost.history
    alone = evaluate.evaluate(trained())
    assert outcomes[2].columns == alone[2].columns


def test_a_separable_calibrate_split_is_flagged():
    stack = trained()
    stack.logits["calibrate"] = 5.0 * torch.nn.functional.one_hot(stack.labels["calibrate"], 4).double()
    outcomes = evaluate.evaluate(stack)
    assert [outcome.columns["temperature_flag"] for outcome in outcomes] == ["separable"] * 3
    assert all(outcome.columns["test_ece"] == outcome.columns["test_ece_ts"] for outcome in outcomes)
