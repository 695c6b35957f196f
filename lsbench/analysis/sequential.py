"""Group-sequential designs for paired differences: the fewest seeds until a question is settled.

The looks are fixed before the first run. At look k, with n of at most N pairs, the interval of the mean
difference is widened so that over all looks it misses the truth with the probability `Design.level` at most:
its nominal level is c·(n/N)³, which spends little of the error early (O'Brien and Fleming 1979; Jennison and
Turnbull 2000). For normal differences the t statistics of the looks do not depend on the unknown variance, so
c is exact by simulation. The test rows' part of the variance is common to all looks and is added to the
standard error (crossed.py); with the critical values of the seeds alone that errs on the safe side.

One interval settles a question either way: it excludes 0, or lies within ± the margin, which decides if it
does both, as in verdicts.py. A question is wrong in one of the two ways only, since the true difference can't
be both 0 and beyond the margin.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import nctdtr, ndtr, stdtr, stdtrit

from lsbench.analysis.stats import POWER, Paired

Floats = np.ndarray[Any, np.dtype[np.float64]]

LOOKS = (4, 6, 8, 12, 16, 24, 40)  # numbers of pairs
LEVEL = 0.05  # of all questions of a plan together
EXPONENT = 3  # of the share of pairs, in a look's nominal level
SLIM = 0.05  # a chance below which more runs are not spent
PATHS, SEED = 1_000_000, 20261127  # of the simulation
TABLE = Path(__file__).with_name("boundaries.csv")  # written by scripts/boundaries.py


@dataclass(frozen=True)
class Design:
    """A plan of looks at ``looks`` pairs, ascending, with the nominal two-sided level of each.

    ``level`` is the error of all looks together, of one question. A fixed design with ``fixed_pairs`` pairs
    has the same power: it detects with 80 % the difference that this one detects with 80 %.
    """

    looks: tuple[int, ...]
    level: float
    levels: tuple[float, ...]
    fixed_pairs: int

    def half_width(self, look: int, pair: Paired) -> float:
        """Half the interval at the look with this index; ``pair`` is the difference of the pairs so far."""
        return _critical(pair.n, self.levels[look]) * pair.se

    def word(self, look: int, pair: Paired, margin: float, better: int) -> str:
        """The verdict that the interval at a look gives: supported, refuted, equivalent, or "" for none.
        ``better`` is the sign of an improvement."""
        half = self.half_width(look, pair)
        if abs(pair.diff) + half < margin:  # False for NaN
            return "equivalent"
        if abs(pair.diff) > half:
            return "supported" if pair.diff * better > 0 else "refuted"
        return ""

    def chance(self, look: int, pair: Paired, margin: float) -> float:
        """The probability that the last look would settle the question if its interval had the width of the
        test rows' part alone, as with any number of seeds; 1 if that part is unknown.

        The estimate is taken to move by what the remaining pairs add to it: normal around its present value,
        with the variance sd²·(1/n − 1/N).
        """
        largest = self.looks[-1]
        if math.isnan(pair.rows_se) or look == len(self.looks) - 1 or not pair.sd > 0:
            return 1.0
        half = _critical(largest, self.levels[-1]) * pair.rows_se
        spread = pair.sd * math.sqrt(1 / pair.n - 1 / largest)

        def within(bound: float) -> float:
            edges = ((bound - pair.diff) / spread, (-bound - pair.diff) / spread)
            return float(ndtr(edges[0]) - ndtr(edges[1]))

        return 1 - within(half) + within(margin - half) if half < margin else 1 - within(half)


def _critical(pairs: int, level: float) -> float:
    """The two-sided quantile of Student's t for a mean of this number of pairs."""
    return float(stdtrit(pairs - 1, 1 - level / 2))


def looks_up_to(budget: int) -> tuple[int, ...]:
    """`LOOKS` up to ``budget`` pairs, which is the last look. Raises `ValueError` for less than 3 pairs."""
    if budget < 3:
        raise ValueError(f"a budget of {budget} pairs: at least 3 are needed")
    return (*(look for look in LOOKS if look < budget), budget)


def design(looks: Sequence[int], questions: int) -> Design:
    """The design with these ``looks`` for one of several ``questions``, which share `LEVEL` (Bonferroni).

    From a stored table for `LOOKS`, otherwise from a simulation of some seconds, the same each time.
    """
    level = LEVEL / questions
    stored = _table().get((tuple(looks), questions))
    constant, fixed_pairs = stored or simulate(tuple(looks), level)
    return Design(tuple(looks), level, nominal_levels(looks, constant), fixed_pairs)


def nominal_levels(looks: Sequence[int], constant: float) -> tuple[float, ...]:
    """The two-sided level of each look."""
    return tuple(constant * (look / looks[-1]) ** EXPONENT for look in looks)


@cache
def _table() -> dict[tuple[tuple[int, ...], int], tuple[float, int]]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return {
            (tuple(map(int, row["looks"].split())), int(row["questions"])): (
                float(row["constant"]),
                int(row["fixed_pairs"]),
            )
            for row in csv.DictReader(lines)
        }


def simulate(looks: tuple[int, ...], level: float, paths: int = PATHS) -> tuple[float, int]:
    """The constant c of a design with this ``level``, and the pairs of the fixed design of the same power."""
    constant = float(np.quantile(_least_ratios(looks, 0.0, paths), level))

    def power(shift: float) -> float:
        return float(np.mean(_least_ratios(looks, shift, paths // 10) <= constant))

    low, high = 0.0, 8.0  # in standard deviations of a difference
    while high - low > 0.002:
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return constant, fixed_pairs(high, level)


def fixed_pairs(shift: float, level: float) -> int:
    """The number of pairs with which the power of a t-test at this two-sided ``level`` to detect a true
    difference of ``shift`` standard deviations is nearest to `POWER`."""

    def power(pairs: int) -> float:
        critical = stdtrit(pairs - 1, 1 - level / 2)
        return 1 - float(nctdtr(pairs - 1, shift * math.sqrt(pairs), critical))

    pairs = 2
    while power(pairs + 1) < POWER:
        pairs += 1
    return min(pairs, pairs + 1, key=lambda number: abs(power(number) - POWER))


def _least_ratios(looks: tuple[int, ...], shift: float, paths: int) -> Floats:
    """For each path of normal differences with mean ``shift`` and standard deviation 1, the least p over the
    looks, in units of the looks' shares (n/N)³: the smallest constant at which some look is significant."""
    random = np.random.default_rng(SEED)
    ratios = []
    for size in [10_000] * (paths // 10_000) + [paths % 10_000] * bool(paths % 10_000):
        x = random.standard_normal((size, looks[-1])) + shift
        sums, squares = x.cumsum(axis=1), (x**2).cumsum(axis=1)
        least = np.full(size, np.inf)
        for look in looks:
            mean = sums[:, look - 1] / look
            variance = (squares[:, look - 1] / look - mean**2) * look / (look - 1)
            p = 2 * stdtr(look - 1, -np.abs(mean) / np.sqrt(variance / look))
            least = np.minimum(least, p * (looks[-1] / look) ** EXPONENT)
        ratios.append(least)
    return np.concatenate(ratios)
