"""Means over seeds, paired differences, tests of difference and of equivalence, Holm's correction, and power.

The t quantile and tail come from `scipy.special`, where they cost microseconds; a table of a thousand runs
needs tens of thousands of them. The tests compare every number with `scipy.stats`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

Values = Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]

POWER = 0.8  # of the tests whose detectable difference is reported


class Interval(NamedTuple):
    """A mean, the sample's standard deviation, and the 95 % t-interval of the mean; NaN where undefined."""

    mean: float
    sd: float
    low: float
    high: float


class Paired(NamedTuple):
    """The mean of n paired differences, its 95 % t-interval, the two-sided p of no difference, and the
    differences' standard deviation."""

    diff: float
    low: float
    high: float
    p: float
    n: int
    sd: float


def t_interval(values: Values) -> Interval:
    """Mean, sd and 95 % t-interval, in the unit of ``values``.

    There is no interval at n = 1, and none if all values are equal: they give no estimate of their standard
    deviation, and an interval of width 0 would claim a certainty that was not measured.
    """
    x = np.asarray(values, dtype=np.float64)
    return _interval(x, scale=abs(_mean(x)))


def paired(a: Values, b: Values) -> Paired:
    """The paired t-test of ``a`` − ``b``, paired by position. Raises `ValueError` on unequal lengths.

    If all differences are equal, the t statistic has no denominator and there is no interval. The exact
    sign-flip test still has a p: 1 if they are all 0, and otherwise 2^(1−n), the least that n signs can give
    (0.0625 at n = 5).
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"paired values differ in number: {x.size} and {y.size}")
    n, scale = int(x.size), max(abs(_mean(x)), abs(_mean(y)))
    with np.errstate(invalid="ignore"):  # inf − inf
        mean, sd, low, high = _interval(x - y, scale)
    if math.isnan(sd):
        p = math.nan
    elif math.isnan(low):
        p = 1.0 if abs(mean) <= _rounding(scale) else 2.0 ** (1 - n)
    else:
        p = 2 * float(stdtr(n - 1, -abs(mean) / sd * math.sqrt(n)))
    return Paired(mean, low, high, p, n, sd)


def equivalence(pair: Paired, margin: float) -> float:
    """The p of two one-sided paired t-tests (TOST, Schuirmann 1987) that the difference lies within ±margin.

    It is the larger p of the two, that of the nearer bound. If all differences are equal, it is that of the
    exact sign-flip test as in `paired`: 2^(−n) inside the margin, else 1. Raises `ValueError` unless
    ``margin`` is above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin {margin}: equivalence needs a margin above 0")
    inside = margin - abs(pair.diff)
    if math.isnan(pair.sd):
        return math.nan
    if math.isnan(pair.low):
        return 2.0**-pair.n if inside > _rounding(margin) else 1.0
    return float(stdtr(pair.n - 1, -inside / pair.sd * math.sqrt(pair.n)))


def half_width(sd: float, n: int) -> float:
    """Half the 95 % t-interval of a mean of ``n`` values whose standard deviation is ``sd``."""
    return float(stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)


def detectable(sd: float, n: int, level: float = 0.05) -> float:
    """The true difference that a two-sided paired t-test of ``n`` differences with standard deviation ``sd``
    detects with a power of `POWER` at ``level``.

    From the noncentral t distribution, without the opposite tail, which is below 1e-5 at this power.
    """
    return float(nctdtrinc(n - 1, 1 - POWER, stdtrit(n - 1, 1 - level / 2))) * sd / math.sqrt(n)


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


def _interval(x: "np.ndarray[Any, np.dtype[np.float64]]", scale: float) -> Interval:
    mean, n = _mean(x), x.size
    if n < 2 or not np.isfinite(x).all():
        return Interval(mean, math.nan, math.nan, math.nan)
    sd = float(x.std(ddof=1))
    if sd / math.sqrt(n) <= _rounding(scale):
        return Interval(mean, sd, math.nan, math.nan)
    half = half_width(sd, n)
    return Interval(mean, sd, mean - half, mean + half)


def _mean(x: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    with np.errstate(invalid="ignore"):  # inf − inf
        return float(x.mean()) if x.size else math.nan


def _rounding(scale: float) -> float:
    """The largest difference between numbers of this size that may be rounding, as in R's t.test."""
    return 10 * float(np.finfo(np.float64).eps) * scale
