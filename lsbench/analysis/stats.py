"""Means over seeds, differences paired by seed, tests of difference and of equivalence, Holm's correction,
and what more seeds would buy.

The t quantile and tail come from `scipy.special`, where they cost microseconds; a table of a thousand runs
needs tens of thousands of them. The tests hold every number to `scipy.stats`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

Values = Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]


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

    There is no interval at n = 1, and none for values that are all equal: they hold no estimate of their
    own spread, and an interval of width 0 would claim a certainty that nobody measured.
    """
    x = np.asarray(values, dtype=np.float64)
    return _interval(x, scale=abs(_mean(x)))


def paired(a: Values, b: Values) -> Paired:
    """The paired t-test of ``a`` − ``b``, equal positions together. Raises `ValueError` on unequal lengths.

    Where all differences are equal, the t statistic has no denominator and there is no interval. The exact
    sign-flip test still answers: p = 1 if they are all 0, and otherwise 2^(1−n), the least that n signs can
    give (0.0625 at n = 5).
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


def equivalence(found: Paired, margin: float) -> float:
    """The p of two one-sided paired t-tests (TOST, Schuirmann 1987) that the difference lies within ±margin.

    The larger of the two p is that of the nearer bound. Where all differences are equal, the exact sign-flip
    test answers as in `paired`: 2^(−n) inside the margin, else 1. Raises `ValueError` for no margin.
    """
    if not margin > 0:
        raise ValueError(f"a margin of {margin}: equivalence needs one above 0")
    inside = margin - abs(found.diff)
    if math.isnan(found.sd):
        return math.nan
    if math.isnan(found.low):
        return 2.0**-found.n if inside > _rounding(margin) else 1.0
    return float(stdtr(found.n - 1, -inside / found.sd * math.sqrt(found.n)))


def half_width(sd: float, n: int) -> float:
    """Half the 95 % t-interval of a mean of ``n`` values whose standard deviation is ``sd``."""
    return float(stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)


def detectable(sd: float, n: int, power: float = 0.8, level: float = 0.05) -> float:
    """The true difference that a two-sided paired t-test at this ``level`` finds with this ``power``, where
    ``n`` differences have the standard deviation ``sd``.

    By the noncentral t distribution; the far tail, below 1e-5 at this power, is left out.
    """
    return float(nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - level / 2))) * sd / math.sqrt(n)


def holm(p: Values) -> list[float]:
    """Holm's (1979) step-down adjusted p-values, in the order given. NaN stays NaN and is no comparison."""
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
    """What rounding alone may add to numbers of this size; R's t.test calls such data constant too."""
    return 10 * float(np.finfo(np.float64).eps) * scale
