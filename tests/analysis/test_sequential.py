"""Sequential designs: their errors by a simulation of their own, and what settles a question."""

import math

import numpy as np
import pytest
from scipy import stats

from lsbench.analysis.sequential import (
    LOOKS,
    Design,
    design,
    fixed_pairs,
    looks_up_to,
    nominal_levels,
    simulate,
)
from lsbench.analysis.stats import Paired


def difference(diff, se, n, sd=1.0, rows_se=math.nan):
    return Paired(diff, math.nan, math.nan, math.nan, n, sd, se, n - 1, rows_se)


def rejected(plan, x):
    """The share of rows of ``x`` that are significant at some look, by scipy's t-test."""
    hits = np.zeros(len(x), dtype=bool)
    for look, level in zip(plan.looks, plan.levels, strict=True):
        hits |= stats.ttest_1samp(x[:, :look], 0, axis=1).pvalue < level
    return hits.mean()


def test_one_look_is_a_t_test_at_the_level():
    constant, pairs = simulate((10,), 0.05, paths=200_000)
    assert constant == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 200_000)) and pairs == 10


@pytest.mark.parametrize(("questions", "level"), [(1, 0.05), (4, 0.0125)])
def test_the_stored_designs_have_their_level_in_another_simulation(questions, level):
    plan = design(LOOKS, questions)
    x = np.random.default_rng(1).standard_normal((60_000, LOOKS[-1]))
    assert rejected(plan, x) == pytest.approx(level, abs=4 * math.sqrt(level / 60_000))


def test_the_levels_of_looks_from_3_to_10_are_those_measured_elsewhere():
    """O'Brien–Fleming-like levels by 4·10⁶ paths of another simulation: 0.0311 at the last look."""
    constant, _ = simulate(tuple(range(3, 11)), 0.05, paths=200_000)
    assert constant == pytest.approx(0.0311, rel=0.03)


def test_levels_grow_with_the_cube_of_the_share_of_pairs():
    assert nominal_levels((2, 4, 8), 0.04) == pytest.approx((0.04 / 64, 0.04 / 8, 0.04))


@pytest.mark.parametrize(
    ("budget", "looks"),
    [(40, LOOKS), (12, (4, 6, 8, 12)), (10, (4, 6, 8, 10)), (3, (3,)), (100, (*LOOKS, 100))],
)
def test_the_budget_is_the_last_look(budget, looks):
    assert looks_up_to(budget) == looks


def test_a_budget_below_three_pairs_is_refused():
    with pytest.raises(ValueError, match="at least 3"):
        looks_up_to(2)


def test_the_interval_decides_for_a_difference_and_for_equivalence():
    plan = Design((4, 10), 0.05, (0.001, 0.04), 10)
    half = stats.t.ppf(1 - 0.04 / 2, 9) * 0.1
    assert plan.half_width(1, difference(0.5, 0.1, 10)) == pytest.approx(half, rel=1e-9)
    assert plan.word(1, difference(half + 0.01, 0.1, 10), 0.2, 1) == "supported"
    assert plan.word(1, difference(-half - 0.01, 0.1, 10), 0.2, 1) == "refuted"
    assert plan.word(1, difference(-half - 0.01, 0.1, 10), 0.2, -1) == "supported"
    assert plan.word(1, difference(half - 0.01, 0.1, 10), 0.2, 1) == ""
    assert plan.word(1, difference(0.01, 0.1, 10), half + 0.02, 1) == "equivalent"
    assert plan.word(1, difference(half + 0.01, 0.1, 10), 3 * half, 1) == "equivalent"  # not 0, yet too small
    assert plan.word(0, difference(math.nan, math.nan, 4), 0.2, 1) == ""


def test_the_first_look_needs_far_more_than_the_last():
    plan = design(LOOKS, 1)
    first, last = (plan.half_width(look, difference(1.0, 1.0, plan.looks[look])) for look in (0, -1))
    assert first > 5 * last and last < 2.2


def test_the_chance_of_a_verdict_is_that_of_simulated_continuations():
    """From 8 of 40 pairs on: the estimate moves by the mean of the other 32, and the interval at the end has
    the width of the test rows' part."""
    plan = design(LOOKS, 1)
    look, sd, rows_se, margin, estimate = LOOKS.index(8), 1.0, 0.1, 0.25, 0.2
    half = stats.t.ppf(1 - plan.levels[-1] / 2, 39) * rows_se
    end = estimate + np.random.default_rng(2).normal(0, sd * math.sqrt(1 / 8 - 1 / 40), 400_000)
    expected = np.mean((np.abs(end) > half) | (np.abs(end) < margin - half))
    got = plan.chance(look, difference(estimate, 0.4, 8, sd, rows_se), margin)
    assert got == pytest.approx(expected, abs=0.004)


def test_a_question_is_hopeless_only_by_the_test_rows():
    plan = design(LOOKS, 1)
    small = difference(0.05, 0.11, 24, sd=0.05, rows_se=0.1)
    assert plan.chance(LOOKS.index(24), small, 0.1) < 0.05
    assert plan.chance(LOOKS.index(24), small._replace(rows_se=math.nan), 0.1) == 1
    assert plan.chance(len(LOOKS) - 1, small, 0.1) == 1  # the last look is judged
    assert plan.chance(LOOKS.index(24), small._replace(rows_se=0.001), 0.1) > 0.9


@pytest.mark.parametrize(("shift", "level", "pairs"), [(0.5, 0.05, 34), (1.0, 0.05, 10), (1.0, 0.0125, 14)])
def test_the_fixed_design_is_that_of_power_tables(shift, level, pairs):
    """G*Power's matched-pairs t-test: 34 and 10 pairs (dz = 0.5 and 1, two-sided 5 %, power 0.8)."""
    assert fixed_pairs(shift, level) == pytest.approx(pairs, abs=1)
    critical = stats.t.ppf(1 - level / 2, fixed_pairs(shift, level) - 1)
    n = fixed_pairs(shift, level)
    assert stats.nct.sf(critical, n - 1, shift * math.sqrt(n)) == pytest.approx(0.8, abs=0.04)


def test_a_sequential_design_spends_few_pairs_more_than_a_fixed_one_at_most():
    for last in range(1, len(LOOKS) + 1):
        plan = design(LOOKS[:last], 2)
        assert LOOKS[last - 1] - 2 <= plan.fixed_pairs <= LOOKS[last - 1]
