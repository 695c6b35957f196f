"""The variance over seeds and rows: the ANOVA of random effects, its two limits, and planted variances."""

import math

import numpy as np
import pytest
from scipy import stats

from lsbench.analysis.crossed import crossed_variance

N = 400


def drawn(n, seed_sd, row_sd, residual_sd, seed=0):
    random = np.random.default_rng(seed)
    return 0.1 + (
        random.normal(0, seed_sd, (n, 1))
        + random.normal(0, row_sd, (1, N))
        + random.normal(0, residual_sd, (n, N))
    )


@pytest.mark.parametrize("n", [2, 5, 10])
def test_one_row_set_gives_the_anova_of_crossed_random_effects(n):
    """Mean squares from their definitions; their variance components are those of REML where none is
    negative (Searle, Casella and McCulloch 1992, section 4.8), so this is also the mixed model's."""
    d = drawn(n, 0.2, 0.5, 0.5)
    seeds, rows, grand = d.mean(1, keepdims=True), d.mean(0, keepdims=True), d.mean()
    ms_seeds = N * ((seeds - grand) ** 2).sum() / (n - 1)
    ms_rows = n * ((rows - grand) ** 2).sum() / (N - 1)
    ms_residual = ((d - seeds - rows + grand) ** 2).sum() / ((n - 1) * (N - 1))
    assert ms_seeds > ms_residual and ms_rows > ms_residual
    got = crossed_variance(list(d), [np.arange(N)] * n)
    assert got.se**2 == pytest.approx((ms_seeds + ms_rows - ms_residual) / (n * N), rel=1e-9)
    assert got.rows_se**2 == pytest.approx((ms_rows - ms_residual) / (n * N), rel=1e-9)
    satterthwaite = (ms_seeds + ms_rows - ms_residual) ** 2 / (
        ms_seeds**2 / (n - 1) + ms_rows**2 / (N - 1) + ms_residual**2 / ((n - 1) * (N - 1))
    )
    assert got.df == pytest.approx(satterthwaite, rel=0.1)  # the rows' by their own fourth moment


def test_rows_that_contribute_alike_leave_the_t_interval_of_the_seeds():
    means = np.random.default_rng(1).normal(0.9, 0.01, 8)
    got = crossed_variance([np.full(50, mean) for mean in means], [np.arange(50)] * 8)
    assert got.se == pytest.approx(stats.sem(means), rel=1e-9)
    assert got.df == pytest.approx(7) and got.rows_se == pytest.approx(0, abs=1e-12)


def test_one_seed_leaves_mcnemars_variance():
    """(b + c − (b − c)²/N)/N² for b rows that only the first network has right and c that only the second
    has (McNemar 1947; Agresti 2013, section 11.1), times N/(N − 1) for the estimated mean."""
    b, c, rows = 30, 12, 1000
    d = np.array([1.0] * b + [-1.0] * c + [0.0] * (rows - b - c))
    got = crossed_variance([d], [np.arange(rows)])
    mcnemar = (b + c - (b - c) ** 2 / rows) / rows**2
    assert got.se**2 == pytest.approx(mcnemar * rows / (rows - 1), rel=1e-9)
    assert got.rows_se == got.se


def test_it_is_never_below_that_of_seeds_or_of_rows_alone():
    random = np.random.default_rng(2)
    d = random.normal(0, 1, (10, N))
    opposite = np.concatenate([d, -d])  # every row's mean is 0: the covariance of seeds is negative
    shifted = opposite + random.normal(0, 0.1, (20, 1))
    got = crossed_variance(list(shifted), [np.arange(N)] * 20)
    assert got.se == pytest.approx(stats.sem(shifted.mean(1)), rel=1e-9) and got.df == pytest.approx(19)
    centred = d - d.mean(1, keepdims=True)  # equal means of all seeds
    got = crossed_variance(list(centred), [np.arange(N)] * 10)
    assert got.se == pytest.approx(stats.sem(centred.mean(0)), rel=1e-3)


def test_few_rows_that_differ_give_few_degrees_of_freedom():
    """For k rows of ±1 among many of 0 the variance of the sum of squares is that of a χ² with about 2k
    degrees of freedom: 2k²/(k − k²/N)."""
    d = np.zeros(10_000)
    d[:20], d[20:30] = 1.0, -1.0
    assert crossed_variance([d], [np.arange(10_000)]).df == pytest.approx(60, rel=0.02)


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_estimate_is_the_planted_variance_of_the_mean(share):
    """The mean of the estimated variances over 1,500 pools is the variance of the 1,500 means, whether seeds
    share all rows or each takes a fifth of the pool."""
    random = np.random.default_rng(3)
    n, pool, size, repetitions = 5, 300, int(300 * share), 1500
    means, variances = [], []
    for _ in range(repetitions):
        effect = random.normal(0, 1, pool)
        rows = [np.sort(random.permutation(pool)[:size]) for _ in range(n)]
        values = [random.normal(0, 0.2) + effect[r] + random.normal(0, 1, size) for r in rows]
        means.append(np.mean([v.mean() for v in values]))
        variances.append(crossed_variance(values, rows).se ** 2)
    expected = 0.2**2 / n + (1 / pool * (1 - 1 / n) + 1 / (size * n)) + 1 / (n * size)
    assert np.var(means) == pytest.approx(expected, rel=4 * math.sqrt(2 / repetitions))
    assert np.mean(variances) == pytest.approx(expected, rel=0.06)
