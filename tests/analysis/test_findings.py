"""Holm's correction over all claims, meanings of verdicts, and too few seeds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lsbench.analysis.by_seed import BySeed
from lsbench.analysis.evidence import Comparison, Evidence
from lsbench.analysis.findings import Compare, judge_claims


def claim(*differences: list[float], better: int = 1, margin: float = 0.001) -> Compare:
    def compare(evidence):
        return [
            Comparison("x", BySeed(pd.Series(values)), BySeed(pd.Series(values) * 0), margin, better)
            for values in differences
        ]

    return compare


def draw(*shifts: float, seed: int = 3) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [(shift + random.normal(0, 1, 10)).tolist() for shift in shifts]


def by_hand(p: Sequence[float]) -> list[float]:
    """Holm's correction: the smallest of n p-values times n, the next times n - 1, ..."""
    least, adjusted = 0.0, [0.0] * len(p)
    for rank, index in enumerate(np.argsort(p)):
        least = max(least, min((len(p) - rank) * p[index], 1))
        adjusted[index] = least
    return adjusted


def test_holm_is_over_the_deciding_comparisons_of_all_claims(evidence):
    """The further comparisons of each claim are a family of their own. The p are scipy's, corrected by
    hand."""
    samples = draw(0.9, 0.0, 1.5, 0.7, 1.0, 0.5, 1.1)
    claims = {"one": claim(samples[0]), "two": claim(*samples[1:3]), "four": claim(*samples[3:])}
    verdicts = judge_claims(claims, dict.fromkeys(claims, evidence({"alpha": [0.0]})))
    flat = [item for group in verdicts.values() for item in group]
    p = [stats.ttest_1samp(sample, 0).pvalue for sample in samples]
    assert [item.p for item in flat] == pytest.approx(p)
    first = by_hand([p[0], p[1], p[3]])
    expected = [first[0], first[1], p[2], first[2], *by_hand(p[4:])]
    assert [item.p_holm for item in flat] == pytest.approx(expected)
    significant = {index for index in range(7) if expected[index] < 0.05}
    assert {index for index, item in enumerate(flat) if item.word == "supported"} == significant
    assert 0 < len(significant) < 7  # or the test would show little


def test_a_claims_verdict_does_not_hang_on_how_much_is_said_of_another(evidence):
    deciding, *more = draw(0.9, 0.0, 0.1, 0.2, 0.0)
    some = evidence({"alpha": [0.0]})
    verdicts = [
        judge_claims(claims, dict.fromkeys(claims, some))["one"]
        for claims in (
            {"one": claim(deciding), "two": claim(more[0])},
            {"one": claim(deciding), "two": claim(*more)},
            {"one": claim(deciding, *more[1:]), "two": claim(more[0])},
        )
    ]
    assert verdicts[0][0] == verdicts[1][0] == verdicts[2][0]
    assert verdicts[0][0].p_holm == pytest.approx(2 * verdicts[0][0].p)


def test_equivalences_are_adjusted_over_the_same_family(evidence):
    """The p of the nearer bound, by scipy's one-sided test."""
    samples = draw(0.1, -0.1, 0.0)
    claims = {"one": claim(samples[0], samples[2], margin=2.0), "two": claim(samples[1], margin=2.0)}
    verdicts = judge_claims(claims, dict.fromkeys(claims, evidence({"alpha": [0.0]})))
    flat = [verdicts["one"][0], verdicts["two"][0], verdicts["one"][1]]
    p = [
        max(
            stats.ttest_1samp(sample, bound, alternative=side).pvalue
            for bound, side in ((-2.0, "greater"), (2.0, "less"))
        )
        for sample in samples
    ]
    assert [item.p_tost_holm for item in flat] == pytest.approx([*by_hand(p[:2]), p[2]])
    assert [item.word for item in flat] == ["equivalent"] * 3


def test_what_a_verdict_comes_to_and_why_one_is_withheld(evidence):
    values = pd.Series(draw(5.0)[0])
    asked = Comparison("x", BySeed(values), BySeed(values * 0), 0.001, meaning={"supported": "well"})
    withheld = replace(asked, undecidable={"supported": "out of reach"})
    unaffected = replace(asked, undecidable={"refuted": "out of reach"})
    claims = {"it": lambda _: [asked, withheld, unaffected]}
    verdicts = judge_claims(claims, {"it": evidence({"alpha": [0.0]})})["it"]
    assert [(item.word, item.meaning) for item in verdicts] == [
        ("supported", "well"),
        ("inconclusive", "out of reach"),
        ("supported", "well"),
    ]
    assert verdicts[1].p_holm < 0.05 and verdicts[1].sd == pytest.approx(values.std())


def test_an_effect_against_the_claim_refutes_it(evidence):
    sample = (5 + np.random.default_rng(0).normal(size=10)).tolist()
    claims = {"up": claim(sample), "down": claim(sample, better=-1)}
    verdicts = judge_claims(claims, dict.fromkeys(claims, evidence({"alpha": [0.0]})))
    assert [verdicts[name][0].word for name in claims] == ["supported", "refuted"]


@pytest.mark.parametrize(("n", "exploratory"), [(7, True), (8, False)])
def test_few_seeds_only_explore(n, exploratory, evidence):
    sample = (5 + np.random.default_rng(0).normal(size=n)).tolist()
    verdicts = judge_claims({"up": claim(sample)}, {"up": evidence({"alpha": [0.0]})})["up"][0]
    assert (verdicts.word, verdicts.exploratory) == ("supported", exploratory)


def test_a_claim_without_runs_is_not_a_failure():
    verdicts = judge_claims({"up": claim([1.0, 2.0])}, {"up": Evidence(pd.DataFrame())})["up"]
    assert [(item.word, item.words) for item in verdicts] == [("inconclusive", "none of its runs is done")]
