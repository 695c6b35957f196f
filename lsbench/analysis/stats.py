"""Means over seeds, paired differences, tests of difference and of equivalence, Holm's correction, and power.

The t quantile and tail come from `scipy.special`, where they cost microseconds; a table of a thousand runs
needs tens of thousands of them. The tests compare every number with `scipy.stats`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

from lsbench.analysis.crossed import CrossedVariance

Values = Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]

POWER = 0.8  # of the tests whose detectable difference is reported
UNKNOWN = CrossedVariance(math.nan, math.nan, math.nan)


class Interval(NamedTuple):
    """A mean, the standard deviation of the sample, and the mean's 95 % interval; NaN where undefined."""

    mean: float
    sd: float
    low: float
    high: float


class Paired(NamedTuple):
    """The mean ``diff`` of n paired differences, its 95 % interval, and the two-sided p of no difference.

    ``sd`` is the standard deviation of the differences, ``se`` the standard error of their mean with its
    degrees of freedom ``df``, and ``rows_se`` the part of it that more pairs would not remove: NaN if the
    differences alone were given, whose interval then holds for new seeds on the same test rows.
    """

    diff: float
    low: float
    high: float
    p: float
    n: int
    sd: float
    se: float
    df: float
    rows_se: float


def t_interval(values: Values, variance: CrossedVariance | None = None) -> Interval:
    """Mean, sd and 95 % t-interval, in the unit of ``values``; for new rows too if their ``variance`` is
    given.

    There is no interval at n = 1, and none if all values are equal: they give no estimate of their standard
    deviation, and an interval of width 0 would claim a certainty that was not measured.
    """
    x = np.asarray(values, dtype=np.float64)
    mean, sd, (se, df, _) = _spread(x, abs(_mean(x)), variance)
    half = half_width(se, df)
    return Interval(mean, sd, mean - half, mean + half)


def paired(a: Values, b: Values, variance: CrossedVariance | None = None) -> Paired:
    """The paired t-test of ``a`` − ``b``, paired by position; for new rows too if the ``variance`` of the
    differences is given. Raises `ValueError` on unequal lengths.

    There is no interval and no p at n = 1, nor if all differences are equal: the t statistic then has no
    denominator.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"paired values differ in number: {x.size} and {y.size}")
    with np.errstate(invalid="ignore"):  # inf − inf
        mean, sd, (se, df, rows_se) = _spread(x - y, max(abs(_mean(x)), abs(_mean(y))), variance)
    half = half_width(se, df)
    p = 2 * float(stdtr(df, -abs(mean) / se)) if se > 0 else math.nan
    return Paired(mean, mean - half, mean + half, p, int(x.size), sd, se, df, rows_se)


def equivalence(pair: Paired, margin: float) -> float:
    """The p of two one-sided paired t-tests (TOST, Schuirmann 1987) that the difference lies within ±margin.

    It is the larger p of the two, that of the nearer bound, and NaN where `paired` has no p. Raises
    `ValueError` unless ``margin`` is above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin {margin}: equivalence needs a margin above 0")
    return float(stdtr(pair.df, (abs(pair.diff) - margin) / pair.se)) if pair.se > 0 else math.nan


def half_width(se: float, df: float) -> float:
    """Half the 95 % t-interval of a mean with this standard error."""
    return float(stdtrit(df, 0.975)) * se


def with_pairs(sd: float, rows_se: float, n: int) -> tuple[float, float]:
    """The standard error of the mean of ``n`` differences with the fields ``sd`` and ``rows_se`` of `Paired`,
    and its degrees of freedom: Satterthwaite's, those of the rows taken as many."""
    of_seeds, of_rows = sd**2 / n, 0.0 if math.isnan(rows_se) else rows_se**2
    return math.sqrt(of_seeds + of_rows), (n - 1) * (1 + of_rows / of_seeds) ** 2


def detectable(se: float, df: float, level: float = 0.05) -> float:
    """The true difference that a two-sided t-test of a mean with this standard error detects with a power of
    `POWER` at ``level``.

    From the noncentral t distribution, without the opposite tail, which is below 1e-5 at this power.
    """
    return float(nctdtrinc(df, 1 - POWER, stdtrit(df, 1 - level / 2))) * se


def median_interval(values: Values) -> tuple[float, float]:
    """The narrowest pair of order statistics that contains the median with at least 95 % confidence (Conover
    1999, section 3.2); NaN below six values, which have none."""
    from scipy.stats import quantile_test

    interval = quantile_test(values, p=0.5).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def holm(p: Values) -> list[float]:
    """Holm's (1979) step-down adjusted p-values, in the order given. NaN stays NaN and is not counted."""
    raw = np.asarray(p, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    order = np.argsort(raw, kind="stable")[: int(np.sum(~np.isnan(raw)))]  # NaN sorts last
    stepped = raw[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def _spread(
    x: "np.ndarray[Any, np.dtype[np.float64]]", scale: float, variance: CrossedVariance | None
) -> tuple[float, float, CrossedVariance]:
    """Mean, standard deviation, and the variance of the mean: NaN if there is none, or nothing but rounding
    of numbers of this ``scale``."""
    mean, n = _mean(x), x.size
    if n < 2 or not np.isfinite(x).all():
        return mean, math.nan, UNKNOWN
    sd = float(x.std(ddof=1))
    if variance is None:
        variance = CrossedVariance(sd / math.sqrt(n), n - 1.0, math.nan)
    return mean, sd, variance if variance.se > _rounding(scale) else UNKNOWN


def _mean(x: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    with np.errstate(invalid="ignore"):  # inf − inf
        return float(x.mean()) if x.size else math.nan


def _rounding(scale: float) -> float:
    """The largest difference between numbers of this size that may be rounding, as in R's t.test."""
    return 10 * float(np.finfo(np.float64).eps) * scale
