"""Variance of a mean over seeds and test rows, both of them random: the inference for new images.

The model is that of two crossed random factors, seeds and rows, as in the reader studies of radiology
(Obuchowski and Rockette 1995): a row contributes ``d[s,i] = mean + seed[s] + row[i] + residual[s,i]``. More
seeds reduce the first and the last part of the variance. The rows' part stays, since seeds share rows.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


class CrossedVariance(NamedTuple):
    """The standard error of a mean for new seeds and new rows, in the unit of the values, its degrees of
    freedom, and the part ``rows_se`` of it that more seeds would not remove."""

    se: float
    df: float
    rows_se: float


def crossed_variance(values: Sequence[Floats], rows: Sequence[Integers]) -> CrossedVariance:
    """The variance of the mean over seeds of ``values[s].mean()``.

    ``values[s]`` float64 [N_s] are the contributions of the test rows of seed s, and ``rows[s]`` int64 [N_s]
    identify these rows, by numbers from 0. Seeds may have the same rows (an official test set), or sets of
    one size that overlap (a pool that each seed divides again).

    With c = values minus their seed's mean, the covariance of two seeds is estimated by the products of c in
    the rows that they share. If all seeds have the same N rows, the variance is that of the ANOVA of random
    effects, (MS_seeds + MS_rows − MS_residual) / (nN). It is never below that of the seeds alone, whose n − 1
    degrees of freedom it then has, nor below that of the rows alone, which is all there is at n = 1 (for
    differences in correctness it is McNemar's). The degrees of freedom are Satterthwaite's (1946); those of
    the rows come from the fourth moment of their sums, since few of them may differ at all.
    """
    n, sizes = len(values), [len(scores) for scores in values]
    centred = np.concatenate([(scores - scores.mean()) / len(scores) for scores in values]) / n
    bessel = np.mean(sizes) / (np.mean(sizes) - 1)
    index = np.concatenate(rows)
    sums = np.bincount(index, weights=centred).astype(np.float64, copy=False)
    of_rows = float(bessel * sums @ sums)
    df_rows = _degrees_of_freedom(sums[np.bincount(index) > 0])
    if n == 1:
        return CrossedVariance(math.sqrt(of_rows), df_rows, math.sqrt(of_rows))
    of_seeds = float(np.var([scores.mean() for scores in values], ddof=1)) / n
    shared = max(0.0, float(bessel * (sums @ sums - centred @ centred)) * n / (n - 1))
    total = max(of_seeds + shared, of_rows)
    uncertainty = of_seeds**2 / (n - 1) + (of_rows**2 / df_rows if shared or total == of_rows else 0.0)
    df = total**2 / uncertainty if uncertainty > 0 else n - 1.0
    return CrossedVariance(math.sqrt(total), df, math.sqrt(shared))


def _degrees_of_freedom(sums: Floats) -> float:
    """The effective degrees of freedom of the sum of squares of ``sums``, at most their number less one."""
    squares = sums**2
    spread = float(squares @ squares - squares.sum() ** 2 / len(squares))
    largest = max(len(squares) - 1.0, 1.0)
    return min(largest, 2 * float(squares.sum()) ** 2 / spread) if spread > 0 else largest
