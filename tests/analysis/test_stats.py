import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lsbench.analysis.crossed import CrossedVariance
from lsbench.analysis.stats import (
    detectable,
    equivalence,
    half_width,
    holm,
    median_interval,
    paired,
    t_interval,
    with_pairs,
)

A = [0.951, 0.947, 0.955, 0.949, 0.958, 0.944]
B = [0.948, 0.949, 0.950, 0.946, 0.953, 0.945]


def test_t_interval_by_hand():
    # mean 2, sd 1, t(0.975, 2) = 4.302653: half width 4.302653/sqrt(3)
    mean, sd, low, high = t_interval([1.0, 2.0, 3.0])
    assert (mean, sd) == (2.0, 1.0)
    assert high - mean == pytest.approx(2.484138, abs=1e-6)
    assert mean - low == pytest.approx(2.484138, abs=1e-6)


def test_t_interval_equals_scipy():
    expected = scipy_stats.ttest_1samp(A, 0).confidence_interval(0.95)
    assert t_interval(A)[2:] == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
def test_paired_equals_scipy(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.9, 0.01, n), rng.normal(0.89, 0.01, n)
    expected = scipy_stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    got = paired(a, b)
    assert got.n == n
    assert got.diff == pytest.approx((a - b).mean(), rel=1e-12)
    assert (got.low, got.high, got.p) == pytest.approx(
        (interval.low, interval.high, expected.pvalue), rel=1e-9
    )


def test_paired_is_antisymmetric():
    there, back = paired(A, B), paired(B, A)
    assert (there.diff, there.low, there.high) == pytest.approx((-back.diff, -back.high, -back.low))
    assert there.p == back.p


def test_one_value_has_no_interval():
    assert t_interval([0.9])[0] == 0.9
    assert all(math.isnan(value) for value in t_interval([0.9])[1:])
    got = paired([0.9], [0.8])
    assert got.diff == pytest.approx(0.1)
    assert got.n == 1
    assert math.isnan(got.low) and math.isnan(got.p)


def test_nothing_gives_nan_without_a_warning():
    assert all(math.isnan(value) for value in t_interval([]))
    assert paired([], []).n == 0


def test_equal_values_have_no_interval():
    mean, sd, low, _ = t_interval([0.1] * 3)
    assert mean == pytest.approx(0.1)
    assert sd == pytest.approx(0, abs=1e-15)
    assert math.isnan(low)


@pytest.mark.parametrize("shift", [0.0, 0.01])
@pytest.mark.parametrize("n", [2, 5, 8])
def test_equal_differences_cannot_be_tested(n, shift):
    # as floats these differ in the last digit, which is rounding and not spread
    b = np.linspace(0.9, 0.95, n)
    got = paired(b + shift, b)
    assert got.diff == pytest.approx(shift)
    assert all(math.isnan(value) for value in (got.low, got.high, got.p, got.se))
    assert math.isnan(equivalence(got, 0.1))


def test_a_given_variance_replaces_that_of_the_pairs():
    """The interval and the p of scipy's t distribution with this standard error and degrees of freedom."""
    got = paired(A, B, CrossedVariance(0.004, 7.5, 0.003))
    t = scipy_stats.t(7.5)
    assert got.high - got.diff == pytest.approx(0.004 * t.ppf(0.975), rel=1e-12)
    assert got.p == pytest.approx(2 * t.sf(got.diff / 0.004), rel=1e-12)
    assert equivalence(got, 0.01) == pytest.approx(t.sf((0.01 - got.diff) / 0.004), rel=1e-12)
    assert got.sd == pytest.approx(np.std(np.subtract(A, B), ddof=1), rel=1e-12)
    assert t_interval(A, CrossedVariance(0.004, 7.5, 0.003)).high - np.mean(A) == pytest.approx(
        0.004 * t.ppf(0.975), rel=1e-12
    )


def test_infinite_values_give_no_interval():
    assert t_interval([1.0, math.inf])[0] == math.inf
    assert math.isnan(paired([math.inf, 1.0], [math.inf, 0.5]).p)


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="2 and 1"):
        paired([1.0, 2.0], [1.0])


def test_holm_by_hand():
    # sorted .005·4 = .02, .01·3 = .03, .03·2 = .06, .04·1 = .04 -> .06, for it must not fall
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_only_comparisons_and_stops_at_one():
    adjusted = holm([0.02, math.nan, 0.9, 0.8])
    assert [adjusted[0], *adjusted[2:]] == pytest.approx([0.06, 1.0, 1.0])
    assert math.isnan(adjusted[1])
    assert holm([]) == []


@pytest.mark.parametrize("margin", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
def test_equivalence_is_the_larger_of_two_one_sided_tests_of_scipy(n, margin):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.905, 0.01, n), rng.normal(0.9, 0.01, n)
    above = scipy_stats.ttest_rel(a + margin, b, alternative="greater").pvalue
    below = scipy_stats.ttest_1samp(a - b, margin, alternative="less").pvalue
    assert equivalence(paired(a, b), margin) == pytest.approx(max(above, below), rel=1e-9)
    assert equivalence(paired(b, a), margin) == pytest.approx(max(above, below), rel=1e-9)


def test_equivalence_at_5_percent_is_a_90_percent_interval_inside_the_margin():
    d = np.array(A) - np.array(B)
    interval = scipy_stats.ttest_1samp(d, 0).confidence_interval(0.9)
    bound = max(abs(interval.low), abs(interval.high))
    assert equivalence(paired(A, B), bound) == pytest.approx(0.05, rel=1e-9)


def test_equivalence_needs_two_values_and_a_margin():
    assert math.isnan(equivalence(paired([0.9], [0.9]), 0.1))
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="margin"):
            equivalence(paired(A, B), margin)


def test_half_width_is_that_of_the_interval():
    mean, sd, _, high = t_interval(A)
    se, df = with_pairs(sd, math.nan, len(A))
    assert half_width(se, df) == pytest.approx(high - mean, rel=1e-12)


def test_with_more_pairs_the_variance_of_the_rows_stays():
    """sd²/n + rows², and Satterthwaite's V²/((sd²/n)²/(n − 1)), by hand: 4/16 + 0.75 = 1, 1/(1/16/15)."""
    assert with_pairs(2.0, math.sqrt(0.75), 16) == pytest.approx((1.0, 240.0))
    assert with_pairs(2.0, math.nan, 16) == pytest.approx((0.5, 15.0))


@pytest.mark.parametrize(
    ("n", "level"), [(3, 0.05), (5, 0.05), (8, 0.05), (10, 0.01), (20, 0.05 / 14), (100, 0.05)]
)
def test_what_is_detectable_is_found_with_that_power_by_scipys_noncentral_t(n, level):
    shift = detectable(0.7, n - 1, level) / 0.7
    critical = scipy_stats.t.ppf(1 - level / 2, n - 1)
    result = scipy_stats.nct.sf(critical, n - 1, shift) + scipy_stats.nct.cdf(-critical, n - 1, shift)
    assert result == pytest.approx(0.8, abs=1e-4)


def test_what_is_detectable_is_found_with_that_power_in_simulated_experiments():
    d = np.random.default_rng(0).normal(detectable(2 / math.sqrt(8), 7), 2.0, (20_000, 8))
    result = np.mean(scipy_stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05)
    assert result == pytest.approx(0.8, abs=0.01)


def test_power_and_equivalence_are_those_of_statsmodels():
    # statsmodels 0.15.0: TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), ttost_paired(A, B, -m, m)
    expected = {5: 1.6819971, 8: 1.1560353, 10: 0.9960019, 20: 0.6604417}
    assert {n: detectable(n**-0.5, n - 1) for n in expected} == pytest.approx(expected, rel=2e-6)
    assert equivalence(paired(A, B), 0.005) == pytest.approx(0.03412433135258256, rel=1e-9)


@pytest.mark.parametrize("n", [5, 6, 7, 20, 51])
def test_the_interval_of_a_median_is_that_of_order_statistics(n):
    """Conover (1999): the highest ranks r and n − 1 − r with P(Binomial(n, 1/2) ≤ r) ≤ 2.5 %."""
    values = np.random.default_rng(n).normal(size=n)
    ranks = [r for r in range(n // 2) if sum(math.comb(n, k) for k in range(r + 1)) <= 0.025 * 2**n]
    result = median_interval(values)
    if n < 6:
        assert not ranks and np.isnan(result).all()
    else:
        ordered = np.sort(values)
        assert result == (ordered[ranks[-1]], ordered[n - 1 - ranks[-1]])
