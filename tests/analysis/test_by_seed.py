"""Sums of measured values by seed, and the runs and metrics behind them."""

import numpy as np
import pandas as pd
import pytest

from lsbench.analysis.by_seed import (
    BySeed,
    NothingToJudgeError,
    Term,
    mean,
    metric_of,
    regression_slopes,
)
from lsbench.analysis.evidence import Comparison, Evidence
from lsbench.analysis.findings import judge_claims
from lsbench.analysis.rows import RowScores


def table(name, values, metric="test_accuracy"):
    runs = [f"{name}{seed}" for seed in range(len(values))]
    return pd.DataFrame({"run": runs, metric: values}, index=pd.Index(range(len(values)), name="seed"))


def test_sums_and_multiples_carry_their_terms():
    a, b = (metric_of(table(name, [0.5, 0.6, 0.7]), "test_accuracy") for name in "ab")
    got = (a - b * 0.5) * 2
    assert got.values.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert got.terms[1] == (Term(2.0, "a1", "test_accuracy"), Term(-1.0, "b1", "test_accuracy"))


def test_absolute_values_keep_the_sign_in_their_terms():
    got = abs(metric_of(table("a", [-0.2, 0.1], "test_confidence_gap"), "test_confidence_gap"))
    assert got.values.tolist() == [0.2, 0.1]
    assert [terms[0].weight for terms in got.terms.values()] == [-1.0, 1.0]


def test_other_splits_add_no_rows_and_other_metrics_make_them_unknown():
    test, train = (
        metric_of(table("a", [0.5, 0.6], name), name) for name in ("test_accuracy", "train_accuracy")
    )
    other = metric_of(table("a", [0.5, 0.6], "test_mce"), "test_mce")
    assert (train - test).terms[0] == (Term(-1.0, "a0", "test_accuracy"),)
    assert other.terms is None and (test + other).terms is None


def test_seeds_without_a_value_are_left_out():
    a = metric_of(table("a", [0.5, np.nan, 0.7]), "test_accuracy")
    b = metric_of(table("b", [0.5, 0.5]), "test_accuracy")
    assert list(a.seeds) == [0, 2] and list((a + b).seeds) == [0] and list((a + b).terms) == [0]


def test_slopes_are_those_of_polyfit_and_means_those_of_numpy():
    values = np.random.default_rng(0).normal(size=(3, 4))
    outcomes = {
        level: metric_of(table(f"r{level}-", values[i]), "test_nll".replace("nll", "accuracy"))
        for i, level in enumerate((0.0, 1.0, 3.0))
    }
    fitted = [np.polyfit([0, 1, 3], values[:, seed], 1)[0] for seed in range(4)]
    assert regression_slopes(outcomes).values.tolist() == pytest.approx(fitted)
    assert mean(outcomes).values.tolist() == pytest.approx(values.mean(0).tolist())
    assert sum(term.weight for term in regression_slopes(outcomes).terms[0]) == pytest.approx(0)
    with pytest.raises(NothingToJudgeError, match="two values"):
        regression_slopes({0.0: outcomes[0.0]})


def test_a_claim_holds_for_new_images_where_the_rows_of_its_runs_are_known():
    """The variance is that of the rows' differences, by the ANOVA of seeds and rows."""
    random = np.random.default_rng(1)
    n, rows = 8, 50
    effect = random.normal(0.1, 0.5, rows)
    scores, values = {}, {}
    for name, shift in (("a", effect), ("b", np.zeros(rows))):
        for seed in range(n):
            contributions = shift + random.normal(0, 0.3, rows)
            scores[f"{name}{seed}"] = RowScores(
                np.arange(rows), {"test_nll": contributions.astype(np.float32)}
            )
            values.setdefault(name, []).append(contributions.mean())
    sides = [metric_of(table(name, values[name], "test_nll"), "test_nll") for name in "ab"]
    evidence = Evidence(pd.DataFrame({"run": ["a0"]}), scores=scores.get)
    claims = {"known": lambda _: [Comparison("x", *sides, 0.01)]}
    claims["unknown"] = lambda _: [Comparison("x", *(BySeed(side.values) for side in sides), 0.01)]
    judged = judge_claims(claims, dict.fromkeys(claims, evidence))
    known, unknown = judged["known"][0], judged["unknown"][0]
    d = np.array([scores[f"a{s}"].scores["test_nll"] - scores[f"b{s}"].scores["test_nll"] for s in range(n)])
    d = d.astype(float)
    seeds, of_rows = d.mean(1, keepdims=True), d.mean(0, keepdims=True)
    ms = rows * ((seeds - d.mean()) ** 2).sum() / (n - 1), n * ((of_rows - d.mean()) ** 2).sum() / (rows - 1)
    residual = ((d - seeds - of_rows + d.mean()) ** 2).sum() / ((n - 1) * (rows - 1))
    expected = max(sum(ms) - residual, *ms) / (n * rows)
    assert known.se**2 == pytest.approx(expected, rel=1e-4) and known.target == "new images"
    assert unknown.target == "this test set" and unknown.se < known.se / 2
    assert known.effect == pytest.approx(unknown.effect)
