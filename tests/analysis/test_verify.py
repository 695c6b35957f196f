"""Numbers rebuilt from stored predictions, against SciPy and scikit-learn, and faults that are named."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, log_loss

from lsbench.analysis.verify import rebuilt, verify_run
from lsbench.store import checksums, runs
from lsbench.store.files import to_json
from lsbench.terms import Outcome
from lsbench.training.evaluate import evaluate
from lsbench.training.loop import train
from lsbench.training.stack import Stack

from ..records import binned, without_checksums

OLD = Path(__file__).parents[1] / "store" / "lsbench-0.1.0"


@pytest.fixture
def store(tmp_path, make_run, splits):
    """Train and store a run that errs on some rows; return its record."""

    def stored(**settings):
        run = make_run(**({"precision": "fp32", "epochs": 1, "lr": 0.01} | settings))
        [outcome] = evaluate(train(Stack([run], splits, torch.device("cpu"))))
        return runs.write(tmp_path, run, splits.sha256, outcome, "cpu")

    return stored


def faults(results_dir, record) -> str:
    """What `verify_run` finds; empty for nothing."""
    try:
        verify_run(results_dir, record)
    except runs.DamagedRunError as error:
        return str(error)
    return ""


def seal(folder, record) -> None:
    """Store another record and checksums that fit, as somebody may who knows how."""
    names = [path.name for path in folder.iterdir() if path.is_file() and path.name != "result.json"]
    stored = {name: checksums.checksum((folder / name).read_bytes()) for name in names}
    (folder / "result.json").write_bytes(to_json(checksums.with_checksums(record, stored)))


def test_a_run_that_is_as_it_was_stored_has_no_fault(store, tmp_path):
    for settings in ({}, {"precision": "fp64"}, {"model": "resnet8", "seed": 3, "epochs": 2}):
        assert faults(tmp_path, store(**settings)) == ""


def test_rebuilt_numbers_are_those_of_scipy_and_scikit_learn(store, tmp_path):
    record = store(seed=1)
    path = runs.run_dir(tmp_path, record["run"]) / "predictions.npz"
    with np.load(path) as stored:
        logits, labels = (stored[f"test_{name}"] for name in ("logits", "labels"))
        held_out, held_out_labels = (stored[f"calibrate_{name}"] for name in ("logits", "labels"))

    def nll(log_t):
        log_probs = log_softmax(held_out.astype(float) / np.exp(log_t), axis=1)
        return -log_probs[np.arange(len(held_out)), held_out_labels].mean()

    temperature = np.exp(minimize_scalar(nll, bounds=(-6, 6), method="bounded", options={"xatol": 1e-12}).x)
    columns, bins = rebuilt(path)
    assert columns["temperature"] == pytest.approx(temperature, rel=1e-5)
    assert columns["temperature_flag"] == ""
    for suffix, scale in (("", 1.0), ("_ts", columns["temperature"])):
        probs = softmax(logits.astype(float) / scale, axis=1)
        brier = ((probs - np.eye(3)[labels]) ** 2).sum(1).mean()
        n, confidence, correct = binned(logits.astype(float) / scale, labels)
        ece = np.abs(confidence - correct).sum() / n.sum()
        expected = {"nll": log_loss(labels, probs), "brier": brier, "ece": ece}
        measured = {name: columns[f"test_{name}{suffix}"] for name in expected}
        assert measured == pytest.approx(expected, rel=1e-9)
    assert columns["test_accuracy"] == accuracy_score(labels, logits.argmax(1))
    gap = softmax(logits.astype(float), axis=1).max(1).mean() - columns["test_accuracy"]
    assert columns["test_confidence_gap"] == pytest.approx(gap, abs=1e-12)
    assert bins.shape == (15, 8) and bins[:, 2].sum() == columns["n_test"] == len(labels)


REBUILT = (
    "test_accuracy test_nll test_brier test_ece test_ece_mass test_ece_classwise test_mce "
    "test_confidence_gap test_confidence_wrong temperature test_nll_ts test_brier_ts test_ece_ts "
    "test_ece_floor test_ece_floor_ts n_test"
).split()


def test_an_altered_number_is_named_with_the_right_one_though_its_checksum_fits(store, tmp_path):
    record = store()
    folder = runs.run_dir(tmp_path, record["run"])
    for name in REBUILT:
        altered = record | {name: record[name] + 2e-6}
        seal(folder, altered)
        text = faults(tmp_path, altered)
        [(stored, given)] = re.findall(rf" {name} is (.*?), predictions give (.*?)[,;]", text)
        assert float(stored) == altered[name] and float(given) == pytest.approx(record[name], abs=1e-7)
        assert text.count(" is ") == 1
    altered = record | {"temperature_flag": "separable", "test_nll": None}
    seal(folder, altered)
    text = faults(tmp_path, altered)
    assert "temperature_flag is separable" in text and "test_nll is None" in text


@pytest.mark.parametrize("name", ["train_accuracy", "select_nll", "train_seconds", "alpha", "seed", "device"])
def test_a_value_that_predictions_do_not_give_has_the_checksum(name, store, tmp_path):
    record = store()
    path = runs.run_dir(tmp_path, record["run"]) / "result.json"
    content = json.loads(path.read_text())
    content[name] = "gpu" if name == "device" else content[name] + 1
    path.write_text(json.dumps(content))
    altered = runs.read(tmp_path, record["run"])
    assert "result.json: has changed since it was stored; delete" in faults(tmp_path, altered)


def test_predictions_of_another_run_are_named_though_their_checksum_fits(store, tmp_path):
    record, other = store(seed=0), store(seed=1)
    folder = runs.run_dir(tmp_path, record["run"])
    shutil.copy(runs.run_dir(tmp_path, other["run"]) / "predictions.npz", folder)
    assert "predictions.npz: has changed since it was stored" in faults(tmp_path, record)
    seal(folder, record)
    text = faults(tmp_path, record)
    assert "test_nll is" in text and "reliability.csv is not that of the predictions" in text


def test_one_logit_of_calibrate_changes_the_temperature_that_is_named(store, tmp_path):
    record = store()
    folder = runs.run_dir(tmp_path, record["run"])
    arrays = dict(np.load(folder / "predictions.npz"))
    arrays["calibrate_logits"][3, 1] += 0.01
    np.savez(folder / "predictions.npz", **arrays)
    seal(folder, record)
    assert "temperature is" in faults(tmp_path, record)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", "truncated", "object", "shapes", "labels", "names"])
def test_predictions_that_cannot_be_read_are_named(damage, store, tmp_path):
    record = store()
    folder = without_checksums(runs.run_dir(tmp_path, record["run"]))
    path = folder / "predictions.npz"
    arrays = dict(np.load(path))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-30])
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        arrays |= {
            "object": {"test_logits": np.array([{}], dtype=object)},
            "shapes": {"test_labels": arrays["test_labels"][:-1]},
            "labels": {"test_labels": arrays["test_labels"] + 3},
            "names": {"test_logits": np.zeros((0, 3))},
        }[damage]
        np.savez(path, **arrays)
    assert "predictions.npz: cannot be read" in faults(tmp_path, record)


def test_runs_of_0_1_0_have_no_checksums_but_their_numbers_are_rebuilt(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    for path in runs.record_files(tmp_path / "old"):
        record = runs.read(tmp_path / "old", path.parent.name)
        assert faults(tmp_path / "old", record) == ""
        altered = faults(tmp_path / "old", record | {"test_ece": record["test_ece"] + 1e-6})
        assert "result.json: test_ece is" in altered


def test_a_run_that_is_not_done_is_compared_with_its_checksums(make_run, tmp_path):
    record = runs.write(tmp_path, make_run(), "d" * 64, Outcome("failed", {}, error="it broke"), "cpu")
    assert faults(tmp_path, record) == ""
    (runs.run_dir(tmp_path, record["run"]) / "config.yaml").write_text("a")
    assert "config.yaml: has changed" in faults(tmp_path, record)
