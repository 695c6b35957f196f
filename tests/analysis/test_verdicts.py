import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.optimize import brentq

from lsbench.analysis.stats import paired
from lsbench.analysis.verdicts import (
    ACCURACY_MARGIN,
    ECE_MARGIN,
    LEVEL,
    QUESTIONS,
    VERDICT_SEEDS,
    judge_family,
    unjudged,
)
from lsbench.report.tables import power_table

from ..records import make_results

BASE = np.linspace(0.90, 0.92, 10)
JITTER = np.array([1, -1, 2, -2, 0, 1, -1, 2, -2, 0]) * 1e-4  # mean 0, sd 1.49e-4


def judge(pair, margin, better, *others):
    """The first comparison of a family, judged."""
    family = [unjudged("x", item, margin, better) for item in (pair, *others)]
    return judge_family(family)[0]


def judged(records):
    [part] = make_results(records).parts
    return part.cells, part.verdicts


def one(comparisons, **wanted):
    (verdict,) = [v for v in comparisons if all(getattr(v, name) == value for name, value in wanted.items())]
    return verdict


@pytest.mark.parametrize(
    ("shift", "better", "word"),
    [
        (0.01, 1, "supported"),
        (0.01, -1, "refuted"),
        (-0.01, 1, "refuted"),
        (-0.01, -1, "supported"),
        (0.0, 1, "equivalent"),
        (0.001, 1, "equivalent"),  # far from 0 in standard errors, and nothing that anybody would act on
        (0.00203, 1, "supported"),  # just beyond the margin
    ],
)
def test_the_word(shift, better, word):
    verdict = judge(paired(BASE + shift + JITTER, BASE), 0.002, better)
    assert verdict.word == word
    assert verdict.effect == pytest.approx(shift, abs=1e-15) and verdict.n == 10 and not verdict.exploratory


def test_noise_decides_nothing():
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    verdict = judge(paired(BASE + noise, BASE), 0.002, 1)
    assert verdict.word == "inconclusive" and verdict.p > LEVEL and verdict.p_tost > LEVEL


def test_numbers_are_scipys():
    noise = np.random.default_rng(1).normal(0.002, 0.002, 9)
    a, b = BASE[:9] + noise, BASE[:9]
    verdict, expected = judge(paired(a, b), 0.005, 1), scipy_stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert (verdict.low, verdict.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert verdict.p == pytest.approx(expected.pvalue, rel=1e-9)
    nearer = scipy_stats.ttest_1samp(a - b, 0.005, alternative="less").pvalue
    assert verdict.p_tost == pytest.approx(nearer, rel=1e-9)
    assert verdict.sd == pytest.approx(np.std(a - b, ddof=1), rel=1e-12)


def test_the_adjusted_p_decide():
    """With two comparisons in a family, Holm's method doubles the smaller p."""
    noise = np.random.default_rng(3).normal(0, 1, 10)
    nothing = paired(BASE + 0.01 * noise, BASE)
    centred = noise - noise.mean()
    different = paired(BASE + 0.0020 * centred / centred.std() + 0.0017, BASE)
    alone, two = judge(different, 1e-4, 1), judge(different, 1e-4, 1, nothing)
    assert 0.025 < alone.p_holm == alone.p < 0.05 and two.p_holm == 2 * alone.p
    assert (alone.word, two.word) == ("supported", "inconclusive")
    assert (alone.family, two.family) == (1, 2)
    equal = paired(BASE + 0.0020 * centred / centred.std(), BASE)
    alone, two = judge(equal, 0.0014, 1), judge(equal, 0.0014, 1, nothing)
    assert 0.025 < alone.p_tost_holm == alone.p_tost < 0.05 and two.p_tost_holm == 2 * alone.p_tost
    assert (alone.word, two.word) == ("equivalent", "inconclusive")


@pytest.mark.parametrize("n", [2, 5, 7, 8, 10])
def test_below_eight_pairs_a_verdict_is_exploratory(n):
    verdict = judge(paired(BASE[:n] + 0.01 + JITTER[:n], BASE[:n]), 0.002, 1)
    assert verdict.exploratory == (n < 8) and VERDICT_SEEDS == 8
    assert verdict.verdict_label == ("exploratory: supported" if n < 8 else "supported")


def test_one_pair_is_inconclusive():
    verdict = judge(paired([0.99], [0.9]), 0.002, 1)
    assert verdict.word == verdict.verdict_label == "inconclusive"
    assert math.isnan(verdict.p) and math.isnan(verdict.p_tost) and math.isnan(verdict.low)
    with pytest.raises(ValueError, match="margin"):
        judge(paired([0.99, 0.98], [0.9, 0.9]), 0.0, 1)


def holm(ps):
    """Holm (1979) as its definition reads: p below level/(k − rank) for this and every smaller one."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


def test_every_cell_is_judged_in_every_question_and_corrected_over_the_table(sweep):
    records = sweep(seeds=range(10))
    _, verdict = judged(records)
    # 12 smoothed cells against the same without smoothing, 14 against plain training (4 of them are the same
    # comparison), both in 4 metrics; and the 12 against T alone
    assert len(verdict) == 12 * 4 + (14 - 4) * 4 + 12
    verdict = make_results(records).parts[0].judged

    def values(method, alpha, metric):
        return np.array([r[metric] for r in records if (r["method"], r["alpha"]) == (method, alpha)])

    for question in QUESTIONS:
        of_question = [v for v in verdict if (v.kind, v.metric) == ("plain", question.metric)]
        pairs = [
            (values(v.label, v.alpha, v.metric), values("none", 0.0, v.metric), question.margin)
            for v in of_question
        ]
        different = holm([scipy_stats.ttest_rel(a, b).pvalue for a, b, _ in pairs])
        within = [
            max(
                scipy_stats.ttest_rel(a + margin, b, alternative="greater").pvalue,
                scipy_stats.ttest_rel(a - margin, b, alternative="less").pvalue,
            )
            for a, b, margin in pairs
        ]
        assert [v.p_holm for v in of_question] == pytest.approx(different, rel=1e-8)
        assert [v.p_tost_holm for v in of_question] == pytest.approx(holm(within), rel=1e-8)
        assert {v.against for v in of_question} == {"none, α = 0"}
        for v in of_question:
            direction = "supported" if v.effect * question.better > 0 else "refuted"
            different = direction if v.p_holm < 0.05 else "inconclusive"
            assert v.word == ("equivalent" if v.p_tost_holm < 0.05 else different)
    assert {v.word for v in verdict} == {"supported", "refuted", "equivalent", "inconclusive"}


def test_smoothing_as_trained_is_judged_against_temperature_scaling_alone(sweep):
    records = sweep(methods=["none", "dropout"], seeds=range(10))
    _, comparisons = judged(records)
    verdict = one(comparisons, label="dropout", alpha=0.2, metric="test_ece", kind="scaling")
    smoothed, plain = (
        np.array([r[metric] for r in records if (r["method"], r["alpha"]) == ("dropout", alpha)])
        for alpha, metric in ((0.2, "test_ece"), (0.0, "test_ece_ts"))
    )
    assert verdict.against == "dropout, α = 0, after temperature scaling"
    assert verdict.effect == pytest.approx((smoothed - plain).mean())
    assert verdict.effect > 0.1 and verdict.word == "refuted" and verdict.margin == ECE_MARGIN
    both = one(comparisons, label="dropout", alpha=0.2, metric="test_ece_ts", kind="smoothing")
    assert both.words == "ECE after scaling" and both.against == "dropout, α = 0" and abs(both.effect) < 0.01
    assert not [v for v in comparisons if v.alpha == 0 and v.kind != "plain"]


def test_the_chosen_cells_are_marked_and_cells_are_in_order(sweep):
    table, verdict = judged(sweep(methods=["none", "dropout"]))
    assert {(v.label, v.alpha) for v in verdict if v.chosen} == {("none", 0.05), ("dropout", 0.05)}
    kinds = list(dict.fromkeys(v.kind for v in verdict))
    assert kinds == ["smoothing", "plain", "scaling"]
    for kind in kinds:
        positions = [list(table["cell"]).index(v.cell) for v in verdict if v.kind == kind]
        assert positions == sorted(positions)
    first = [v.metric for v in verdict if (v.cell, v.kind) == (verdict[0].cell, "smoothing")]
    assert first == [q.metric for q in QUESTIONS]


def test_failed_cells_and_missing_baselines_have_no_verdict_that_says_anything(sweep, record):
    records = sweep(methods=["none"], alphas=[0.0], seeds=range(3))
    records += [record("none", 0.1, seed, status="failed") for seed in range(3)]
    _, verdict = judged(records)
    assert {v.word for v in verdict} == {"inconclusive"} and {v.n for v in verdict} == {0}
    assert judged(sweep(methods=["none"], alphas=[0.1, 0.2]))[1] == []


def test_margins_are_stated_and_not_wider_than_what_is_published_as_a_gain():
    assert ACCURACY_MARGIN < 0.0025  # MNIST, error .94 -> .69 %
    assert {q.metric: q.margin for q in QUESTIONS}["test_nll_ts"] == 0.005
    assert all(q.margin > 0 and q.better in (-1, 1) for q in QUESTIONS)


def test_what_more_seeds_would_find_is_after_holms_correction_over_the_table(sweep):
    _, verdict = judged(sweep(seeds=range(5)))
    accuracy = one(verdict, label="dropout", alpha=0.1, metric="test_accuracy", kind="plain")
    assert accuracy.family == 14  # of 15 cells, one of which is the baseline
    header, [row] = power_table(["comparison"], [(["accuracy"], accuracy)])
    shown = dict(zip(header, row, strict=True))["n = 20"]
    critical = scipy_stats.t.ppf(1 - 0.05 / 14 / 2, 19)
    shift = brentq(lambda shift: scipy_stats.nct.sf(critical, 19, shift) - 0.8, 0, 20)
    half = accuracy.sd * scipy_stats.t.ppf(0.975, 19) / math.sqrt(20)
    assert shown == f"{100 * half:.2f} ({100 * accuracy.sd * shift / math.sqrt(20):.2f})"
