"""Outcomes of a claim by seed: measured values and sums of them, with the runs and metrics behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lsbench.analysis.rows import METRICS

if TYPE_CHECKING:
    import pandas as pd


class NothingToJudgeError(Exception):
    """The error that ``compare`` of a claim raises if the evidence lacks what it compares; it says what."""


class Term(NamedTuple):
    """A metric of a run, times a weight."""

    weight: float
    run: str
    metric: str


@dataclass(frozen=True, eq=False)
class BySeed:
    """A number for each seed, the index of ``values``.

    ``terms`` are the metrics of runs whose weighted sum it is, by seed, as far as they depend on test rows:
    metrics of the train and select splits do not. It is None for numbers that are no such sum, of which no
    interval for new images can be made.
    """

    values: "pd.Series[float]"
    terms: Mapping[int, tuple[Term, ...]] | None = field(default=None)

    @property
    def seeds(self) -> "pd.Index[int]":
        """The seeds that have a number."""
        return self.values.index

    def __add__(self, other: "BySeed") -> "BySeed":
        """The sum, for the seeds that both have."""
        values = (self.values + other.values).dropna()
        if self.terms is None or other.terms is None:
            return BySeed(values)
        return BySeed(values, {seed: self.terms[seed] + other.terms[seed] for seed in values.index})

    def __mul__(self, factor: float) -> "BySeed":
        return self._weighted(self.values * 0 + factor)

    def __sub__(self, other: "BySeed") -> "BySeed":
        return self + other * -1

    def __abs__(self) -> "BySeed":
        """The absolute values; their terms are those of the values with the signs held fixed."""
        return self._weighted(self.values.map(np.sign))

    def rounded(self, digits: int) -> "BySeed":
        """The values rounded to this number of digits."""
        return replace(self, values=self.values.round(digits))

    def _weighted(self, weights: "pd.Series[float]") -> "BySeed":
        if self.terms is None:
            return BySeed(self.values * weights)
        terms = {
            seed: tuple(term._replace(weight=term.weight * float(weights[seed])) for term in of_seed)
            for seed, of_seed in self.terms.items()
        }
        return BySeed(self.values * weights, terms)


def metric_of(runs: "pd.DataFrame", metric: str) -> BySeed:
    """``metric`` of ``runs``, a row per seed, which is the index; the seeds that lack it are left out."""
    values = runs[metric].astype(float).dropna()
    if metric in METRICS:
        names = zip(values.index, runs["run"].loc[values.index], strict=True)
        return BySeed(values, {seed: (Term(1.0, run, metric),) for seed, run in names})
    if metric.startswith(("train_", "select_")):
        return BySeed(values, dict.fromkeys(values.index, ()))
    return BySeed(values)


def mean(outcomes: Mapping[float, BySeed]) -> BySeed:
    """The mean of ``outcomes``, for the seeds that all of them have."""
    return weighted_sum(outcomes, dict.fromkeys(outcomes, 1 / len(outcomes)))


def regression_slopes(outcomes: Mapping[float, BySeed]) -> BySeed:
    """The least-squares slope of ``outcomes`` over their keys, for the seeds that all of them have; no seeds
    if there are fewer than two keys.

    Rounded to 12 digits: otherwise equal numbers have slopes of 1e-17, equal in all seeds and significant.
    """
    over = np.array(list(outcomes), dtype=float)
    if len(over) < 2:
        raise NothingToJudgeError("a slope needs two values to go over")
    centred = over - over.mean()
    weights = dict(zip(outcomes, centred / float(centred @ centred), strict=True))
    return weighted_sum(outcomes, weights).rounded(12)


def weighted_sum(outcomes: Mapping[float, BySeed], weights: Mapping[float, float]) -> BySeed:
    """The sum of ``outcomes``, each times its weight, for the seeds that all of them have."""
    first, *others = (outcome * weights[key] for key, outcome in outcomes.items())
    return sum(others, first)
