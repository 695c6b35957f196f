"""Holm's correction over all claims, the interval of a median, and seeds too few."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lsbench.claims import Claim
from lsbench.claims._claim import Comparison, Evidence
from lsbench.claims._findings import findings, median_interval


def test_the_interval_of_a_median_is_that_of_scipy():
    for n in (6, 7, 20, 51):
        values = np.random.default_rng(n).normal(size=n)
        test = stats.quantile_test(values, p=0.5)
        expected = test.confidence_interval(0.95)
        assert median_interval(pd.Series(values)) == pytest.approx((expected.low, expected.high))
    assert np.isnan(median_interval(pd.Series([1.0] * 5))).all()


def claim(*differences: list[float], better: int = 1) -> Claim:
    def compare(evidence):
        return [
            Comparison("x", pd.Series(values), pd.Series(values) * 0, 0.001, better) for values in differences
        ]

    return Claim("it is so", "nobody", "x", compare)


def test_holm_is_over_the_comparisons_of_all_claims(evidence):
    """By hand, of the p that scipy gives: the smallest of four times 4, the next times 3, ..."""
    random = np.random.default_rng(3)
    samples = [(shift + random.normal(0, 1, 10)).tolist() for shift in (0.9, 3.0, 0.0, 1.5)]
    claims = {"one": claim(samples[0]), "three": claim(*samples[1:])}
    some = evidence({"alpha": [0.0]})
    found = findings(claims, dict.fromkeys(claims, some))
    p = [stats.ttest_1samp(sample, 0).pvalue for sample in samples]
    flat = [*found["one"], *found["three"]]
    assert [each.p for each in flat] == pytest.approx(p)
    order, least, expected = np.argsort(p), 0.0, [0.0] * 4
    for place, index in enumerate(order):
        least = max(least, min((4 - place) * p[index], 1))
        expected[index] = least
    assert [each.p_holm for each in flat] == pytest.approx(expected)
    significant = {index for index in range(4) if expected[index] < 0.05}
    assert {index for index, each in enumerate(flat) if each.verdict == "supported"} == significant
    assert 0 < len(significant) < 4  # or the test would show little


def test_an_effect_against_the_claim_refutes_it(evidence):
    sample = (5 + np.random.default_rng(0).normal(size=10)).tolist()
    claims = {"up": claim(sample), "down": claim(sample, better=-1)}
    found = findings(claims, dict.fromkeys(claims, evidence({"alpha": [0.0]})))
    assert [found[name][0].verdict for name in claims] == ["supported", "refuted"]


@pytest.mark.parametrize(("n", "exploratory"), [(7, True), (8, False)])
def test_few_seeds_only_explore(n, exploratory, evidence):
    sample = (5 + np.random.default_rng(0).normal(size=n)).tolist()
    found = findings({"up": claim(sample)}, {"up": evidence({"alpha": [0.0]})})["up"][0]
    assert (found.verdict, found.exploratory) == ("supported", exploratory)


def test_no_run_is_no_failure():
    found = findings({"up": claim([1.0, 2.0])}, {"up": Evidence(pd.DataFrame())})["up"]
    assert [(each.verdict, each.words) for each in found] == [("inconclusive", "none of its runs is done")]
