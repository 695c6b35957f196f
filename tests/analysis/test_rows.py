"""Contributions of rows: their means are the metrics of scikit-learn and torchmetrics, row by row."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from lsbench.analysis.crossed import crossed_variance
from lsbench.analysis.rows import METRICS, RowScores, StoredScores, crossed_scores, row_scores, scores
from lsbench.errors import StorageError

from ..records import make_record

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(4, size=500)
LOGITS = (RANDOM.normal(0, 2, (500, 4)) + 2 * np.eye(4)[LABELS]).astype(np.float32)
TEMPERATURE = 1.7


@pytest.mark.parametrize(("suffix", "scale"), [("", 1.0), ("_ts", TEMPERATURE)])
def test_the_means_of_contributions_are_the_metrics(suffix, scale):
    got = {name: values.mean(dtype=float) for name, values in scores(LOGITS, LABELS, TEMPERATURE).items()}
    probs = softmax(LOGITS.astype(float) / scale, axis=1)
    confidence, correct = probs.max(1), probs.argmax(1) == LABELS
    assert got[f"test_nll{suffix}"] == pytest.approx(log_loss(LABELS, probs), rel=1e-6)
    brier = ((probs - np.eye(4)[LABELS]) ** 2).sum(1).mean()
    assert got[f"test_brier{suffix}"] == pytest.approx(brier, rel=1e-6)
    expected = multiclass_calibration_error(torch.tensor(probs), torch.tensor(LABELS), 4, n_bins=15).item()
    assert got[f"test_ece{suffix}"] == pytest.approx(expected, rel=1e-5)
    if not suffix:
        assert got["test_accuracy"] == pytest.approx(accuracy_score(LABELS, probs.argmax(1)))
        assert got["test_confidence_gap"] == pytest.approx(confidence.mean() - correct.mean(), rel=1e-5)
        assert got["test_confidence_wrong"] == pytest.approx(confidence[~correct].mean(), rel=1e-5)


def test_a_row_contributes_what_it_does_to_a_mean():
    one = scores(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), 1.0)
    probs = softmax([[2.0, 0.0], [0.0, 1.0]], axis=1)
    assert one["test_accuracy"].tolist() == [1, 0]
    assert one["test_nll"] == pytest.approx(-np.log(probs[:, 0]), rel=1e-6)
    assert one["test_brier"] == pytest.approx(2 * (1 - probs[:, 0]) ** 2, rel=1e-6)
    assert one["test_confidence_gap"] == pytest.approx([probs[0, 0] - 1, probs[1, 1]], rel=1e-6)
    assert one["test_ece"] == pytest.approx([1 - probs[0, 0], probs[1, 1]], rel=1e-6)


def test_the_variance_of_the_confidence_when_wrong_is_that_of_resampled_rows():
    """A bootstrap of the ratio, with 4,000 samples of the rows."""
    contributions = scores(LOGITS, LABELS, 1.0)["test_confidence_wrong"].astype(float)
    probs = softmax(LOGITS.astype(float), axis=1)
    confidence, wrong = probs.max(1), probs.argmax(1) != LABELS
    drawn = np.random.default_rng(1).integers(500, size=(4000, 500))
    ratios = (confidence * wrong)[drawn].sum(1) / wrong[drawn].sum(1)
    assert crossed_variance([contributions], [np.arange(500)]).se == pytest.approx(ratios.std(), rel=0.05)


def test_no_wrong_prediction_has_no_confidence_when_wrong():
    assert np.isnan(scores(np.array([[2.0, 0.0]]), np.array([0]), 1.0)["test_confidence_wrong"]).all()


def store(results_dir, record, **arrays):
    folder = results_dir / "runs" / record["run"]
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", test_logits=LOGITS, test_labels=LABELS, **arrays)


def test_scores_are_read_by_run_and_by_cell(tmp_path):
    import pandas as pd

    records = [make_record(seed=seed, temperature=TEMPERATURE) for seed in range(2)]
    for record in records:
        store(tmp_path, record, test_rows=np.arange(500) + record["seed"])
    stored = StoredScores(tmp_path, pd.DataFrame(records))
    by_seed = stored.of_cell(records[0]["cell"])
    assert {seed: scores.rows[0] for seed, scores in by_seed.items()} == {0: 0, 1: 1}
    expected = scores(LOGITS, LABELS, TEMPERATURE)
    for name in METRICS:
        assert np.array_equal(by_seed[1].scores[name], expected[name])
    alone = StoredScores(tmp_path, pd.DataFrame(records[:1]))
    assert alone.of_cell(records[0]["cell"]) == {}  # one seed has no interval
    assert np.array_equal(alone.of_run(records[0]["run"]).rows, np.arange(500))


def test_predictions_without_rows_have_no_scores_and_damaged_ones_are_named(tmp_path):
    old, gone, damaged = (make_record(seed=seed) for seed in range(3))
    store(tmp_path, old)
    store(tmp_path, damaged, test_rows=np.arange(500))
    path = tmp_path / "runs" / damaged["run"] / "predictions.npz"
    path.write_bytes(path.read_bytes()[:1000])
    assert row_scores(tmp_path, old["run"], 1.0) is None and row_scores(tmp_path, gone["run"], 1.0) is None
    with pytest.raises(StorageError, match=r"predictions\.npz: .*delete the run's folder"):
        row_scores(tmp_path, damaged["run"], 1.0)


def test_a_weighted_sum_of_runs_has_the_variance_of_the_summed_rows():
    random = np.random.default_rng(2)
    rows = np.arange(60)
    runs = [[RowScores(rows, {"test_nll": random.normal(size=60)}) for _ in range(2)] for _ in range(4)]
    got = crossed_scores([(1.0, a, "test_nll"), (-0.5, b, "test_nll")] for a, b in runs)
    summed = [a.scores["test_nll"] - 0.5 * b.scores["test_nll"] for a, b in runs]
    assert got == pytest.approx(crossed_variance(summed, [rows] * 4))


def test_there_is_no_variance_for_unknown_or_unequal_rows():
    a = RowScores(np.arange(5), {"test_nll": np.arange(5.0), "test_mce": np.arange(5.0)})
    other = RowScores(np.arange(5) + 1, a.scores)
    assert crossed_scores([[(1.0, a, "test_nll")]] * 2) is not None
    for terms in (
        [(1.0, a, "test_nll"), (-1.0, other, "test_nll")],
        [(1.0, a, "test_nll"), (-1.0, None, "test_nll")],
        [(1.0, a, "test_mce")],
        [],
    ):
        assert crossed_scores([terms] * 2) is None
    assert crossed_scores([[(1.0, a, "test_nll")]]) is None  # one seed


@pytest.mark.parametrize(
    "arrays",
    [
        {"test_rows": np.arange(9)},
        {"test_rows": np.arange(10) - 1},
        {"test_rows": np.arange(10) + 2**40},
        {"test_labels": np.full(10, -1)},
        {"test_labels": np.zeros(9, int)},
    ],
)
def test_arrays_that_do_not_fit_together_are_damage(arrays, tmp_path):
    record = make_record(seed=0)
    folder = tmp_path / "runs" / record["run"]
    folder.mkdir(parents=True)
    whole = {"test_rows": np.arange(10), "test_logits": np.eye(10), "test_labels": np.arange(10)}
    np.savez(folder / "predictions.npz", **whole)
    assert row_scores(tmp_path, record["run"], 1.0) is not None
    np.savez(folder / "predictions.npz", **whole | arrays)
    with pytest.raises(StorageError, match="predictions"):
        row_scores(tmp_path, record["run"], 1.0)
