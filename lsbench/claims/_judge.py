"""A stand-in for `lsbench.report.verdicts.judge`, with its signature; to go when that is there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from lsbench.report.stats import paired

LEVEL = 0.05


@dataclass(frozen=True)
class Judged:
    """``values`` minus ``base``: the mean, its 95 % interval, n, p, and the verdict word."""

    effect: float
    low: float
    high: float
    n: int
    p: float
    word: str


def judge(
    values: Sequence[float],
    base: Sequence[float],
    margin: float,
    better: int,
    p_adjusted: float | None = None,
) -> Judged:
    """Equal positions are one seed. Supported or refuted where the difference is significant, equivalent
    where two one-sided tests put it within ``margin``, else inconclusive."""
    diff, low, high, p, n = paired(values, base)
    p = p if p_adjusted is None else p_adjusted
    if p < LEVEL:
        word = "supported" if diff * better > 0 else "refuted"
    else:
        word = "equivalent" if _outside(values, base, margin) < LEVEL else "inconclusive"
    return Judged(diff, low, high, n, p, word)


def _outside(values: Sequence[float], base: Sequence[float], margin: float) -> float:
    """The p of two one-sided paired t-tests (Schuirmann 1987): small where |difference| < ``margin``."""
    x = np.asarray(values, dtype=float) - np.asarray(base, dtype=float)
    if x.size < 2:
        return math.nan
    error = float(x.std(ddof=1)) / math.sqrt(x.size)
    if error == 0:
        return 0.0 if abs(x.mean()) < margin else 1.0
    return float(stdtr(x.size - 1, (abs(x.mean()) - margin) / error))
