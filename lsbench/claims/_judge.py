"""A stand-in for `lsbench.report.verdicts`, with its names; when that is there this file becomes

from lsbench.report.verdicts import ACCURACY_MARGIN, ECE_MARGIN, NLL_MARGIN, judge, said
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from lsbench.report.stats import Values, paired

LEVEL = 0.05
SEEDS = 8  # below it a verdict is exploratory
ACCURACY_MARGIN = 0.002
ECE_MARGIN = 0.005
NLL_MARGIN = 0.005


class Judgement(NamedTuple):
    """``values`` minus ``base``: the mean, its 95 % interval, n, p, and the verdict word."""

    effect: float
    low: float
    high: float
    n: int
    p: float
    word: str
    p_equivalent: float
    exploratory: bool


def judge(
    values: Values,
    base: Values,
    margin: float,
    better: int,
    p_adjusted: float | None = None,
    *,
    p_equivalent_adjusted: float | None = None,
) -> Judgement:
    """Equal positions are one seed. Equivalent where two one-sided tests put the difference within the
    margin, else supported or refuted where it is significant, else inconclusive."""
    diff, low, high, p, n = paired(values, base)
    p = p if p_adjusted is None else p_adjusted
    within = _outside(values, base, margin) if p_equivalent_adjusted is None else p_equivalent_adjusted
    if within < LEVEL:
        word = "equivalent"
    elif p < LEVEL:
        word = "supported" if diff * better > 0 else "refuted"
    else:
        word = "inconclusive"
    return Judgement(diff, low, high, n, p, word, within, n < SEEDS)


def said(word: str, exploratory: bool) -> str:
    """A verdict's word as it may be shown."""
    return f"exploratory: {word}" if exploratory and word != "inconclusive" else word


def _outside(values: Values, base: Values, margin: float) -> float:
    """The p of two one-sided paired t-tests (Schuirmann 1987): small where |difference| < ``margin``."""
    x = np.asarray(values, dtype=float) - np.asarray(base, dtype=float)
    if x.size < 2:
        return math.nan
    error = float(x.std(ddof=1)) / math.sqrt(x.size)
    if error == 0:
        return 2.0 ** (1 - x.size) if abs(x.mean()) < margin else 1.0
    return float(stdtr(x.size - 1, (abs(x.mean()) - margin) / error))
