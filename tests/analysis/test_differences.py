"""Differences between cells: for new images from stored predictions, and for this test set."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from ..records import make_record, make_results

N, SEEDS = 300, range(6)
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(3, size=N)
HARD = RANDOM.normal(0, 1.5, (N, 3))  # what all networks find hard about a row
GAIN = RANDOM.random(N) < 0.2  # the rows on which smoothing helps


def logits(alpha, seed):
    random = np.random.default_rng([seed, int(100 * alpha)])
    shift = random.normal(0, 0.1)
    helped = np.eye(3)[LABELS] * (1.5 + shift + 1.5 * bool(alpha) * GAIN[:, None])
    return (HARD + helped + random.normal(0, 0.5, (N, 3))).astype(np.float32)


def measured(values):
    probs = softmax(values.astype(float), axis=1)
    return {
        "test_accuracy": float((probs.argmax(1) == LABELS).mean()),
        "test_nll": float(-np.log(probs[np.arange(N), LABELS]).mean()),
    }


@pytest.fixture
def results(tmp_path):
    """Smoothed and plain runs with their predictions; ``rows`` false leaves out the test rows."""

    def make(rows=True, alphas=(0.0, 0.1), **settings):
        records = []
        for alpha in alphas:
            for seed in SEEDS:
                values = logits(alpha, seed)
                record = make_record("none", alpha, seed, temperature=1.0, **settings, **measured(values))
                folder = tmp_path / "runs" / record["run"]
                folder.mkdir(parents=True, exist_ok=True)
                arrays = {"test_logits": values, "test_labels": LABELS} | (
                    {"test_rows": np.arange(N)} if rows else {}
                )
                np.savez(folder / "predictions.npz", **arrays)
                records.append(record)
        return records

    def load(records):
        return make_results(records, tmp_path / "mine")

    return make, load


def by_row(seed):
    """What each row contributes to the difference in NLL between smoothed and plain."""
    nll = {}
    for alpha in (0.0, 0.1):
        probs = softmax(logits(alpha, seed).astype(float), axis=1)
        nll[alpha] = -np.log(probs[np.arange(N), LABELS])
    return nll[0.1] - nll[0.0]


def test_the_interval_for_new_images_is_the_anova_of_seeds_and_rows(results):
    make, load = results
    loaded = load(make())
    row = loaded.summary[loaded.summary["alpha"] == 0.1].iloc[0]
    d, n = np.array([by_row(seed) for seed in SEEDS]), len(SEEDS)
    seeds, rows, mean = d.mean(1, keepdims=True), d.mean(0, keepdims=True), d.mean()
    ms_seeds = N * ((seeds - mean) ** 2).sum() / (n - 1)
    ms_rows = n * ((rows - mean) ** 2).sum() / (N - 1)
    ms_residual = ((d - seeds - rows + mean) ** 2).sum() / ((n - 1) * (N - 1))
    variance = (ms_seeds + ms_rows - ms_residual) / (n * N)
    assert row["test_nll_diff_unsmoothed"] == pytest.approx(mean, rel=1e-6)
    assert row["test_nll_diff_unsmoothed_se"] == pytest.approx(math.sqrt(variance), rel=1e-5)
    df = row["test_nll_diff_unsmoothed_df"]
    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert row["test_nll_diff_unsmoothed_high"] == pytest.approx(mean + half, rel=1e-5)
    p = 2 * stats.t.sf(abs(mean) / math.sqrt(variance), df)
    assert row["test_nll_diff_unsmoothed_p"] == pytest.approx(p, rel=1e-4)
    same_rows = stats.ttest_1samp(d.mean(1), 0)
    interval = same_rows.confidence_interval(0.95)
    assert row["test_nll_diff_unsmoothed_low_test_set"] == pytest.approx(interval.low, rel=1e-5)
    assert row["test_nll_diff_unsmoothed_p_test_set"] == pytest.approx(same_rows.pvalue, rel=1e-4)
    assert interval.high < row["test_nll_diff_unsmoothed_high"]
    # without another method the two comparisons are one
    for end in ("", "_low", "_high", "_p_test_set"):
        plain = f"test_nll_diff{end}" if "_p" not in end else "test_nll_p_test_set"
        assert row[plain] == row[f"test_nll_diff_unsmoothed{end}"]
    [part] = loaded.parts
    assert {judged.target for judged in part.verdicts if judged.metric == "test_accuracy"} == {"new images"}


def test_a_mean_has_both_intervals(results):
    make, load = results
    summary = load(make()).summary
    row = summary[summary["alpha"] == 0.1].iloc[0]
    values = [measured(logits(0.1, seed))["test_accuracy"] for seed in SEEDS]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert row["test_accuracy_low_test_set"] == pytest.approx(expected.low)
    # the rows alone have the binomial standard error of the mean's square root at least
    mean = np.mean(values)
    binomial = math.sqrt(mean * (1 - mean) / N / len(SEEDS))
    assert row["test_accuracy_high"] - mean > 1.96 * binomial


def test_without_stored_rows_the_target_is_this_test_set(results):
    make, load = results
    loaded = load(make(rows=False))
    row = loaded.summary[loaded.summary["alpha"] == 0.1].iloc[0]
    d = [by_row(seed).mean() for seed in SEEDS]
    assert row["test_nll_diff_unsmoothed_p"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-4)
    assert {judged.target for judged in loaded.parts[0].verdicts} == {"this test set"}
    assert "test_nll_diff_unsmoothed_p_test_set" not in loaded.summary


def test_a_convention_is_compared_with_uniform_at_the_same_alpha(results):
    make, load = results
    records = make(alphas=(0.0, 0.1))
    other = [
        make_record("none", 0.1, r["seed"], convention="as_printed", test_accuracy=r["test_accuracy"] - 0.01)
        for r in records
        if r["alpha"]
    ]
    loaded = load(records + other)
    row = loaded.summary[loaded.summary["convention"] == "as_printed"].iloc[0]
    assert row["test_accuracy_diff_uniform"] == pytest.approx(-0.01)
    assert (
        row["uniform"]
        == loaded.summary[(loaded.summary["alpha"] == 0.1) & (loaded.summary["convention"] == "uniform")][
            "cell"
        ].item()
    )
    convention = [judged for judged in loaded.parts[0].verdicts if judged.kind == "convention"]
    assert convention[0].metric == "test_accuracy"
    assert convention[0].meaning == "all 6 differences are equal, so their spread is unknown"


def test_equal_runs_get_no_verdict_and_the_reason():
    plain = [make_record("none", 0.0, seed) for seed in range(8)]
    metrics = {name: value for name, value in plain[0].items() if name.startswith("test_")}
    equal = [
        make_record("none", 0.0, seed, dropout=0.5) | {name: plain[seed][name] for name in metrics}
        for seed in range(8)
    ]
    [part] = make_results(plain + equal).parts
    judged = part.verdicts
    assert judged and {j.word for j in judged} == {"inconclusive"}
    assert {j.meaning for j in judged} == {"the two are equal in every run, so nothing can be tested"}
    assert all(math.isnan(j.p) for j in judged)


def test_the_pairs_that_point_the_other_way_are_counted():
    plain = [make_record("none", 0.0, seed, test_accuracy=0.9) for seed in range(8)]
    gains = [0.01, 0.02, -0.005, 0.0, 0.01, 0.01, -0.001, 0.01]
    smoothed = [make_record("none", 0.1, s, test_accuracy=0.9 + gain) for s, gain in enumerate(gains)]
    [part] = make_results(plain + smoothed).parts
    assert part.verdicts[0].metric == "test_accuracy" and part.verdicts[0].wrong_way == 2 / 8


def test_smoothing_with_a_method_is_compared_with_the_method_first(sweep):
    [part] = make_results(sweep(methods=["none", "dropout"], alphas=[0.0, 0.1], seeds=range(8))).parts
    of_cell = [judged for judged in part.verdicts if (judged.label, judged.alpha) == ("dropout", 0.1)]
    assert [judged.kind for judged in of_cell] == ["smoothing"] * 4 + ["plain"] * 4 + ["scaling"]
    assert of_cell[0].against == "dropout, α = 0" and of_cell[4].against == "none, α = 0"
