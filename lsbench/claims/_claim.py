"""What a claim is made of, and how its file takes numbers from the runs of its grid."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsbench import runs

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.plan import Job

    Numbers = pd.Series[float]


@dataclass(frozen=True)
class Unit:
    """How a number is written: times ``scale``, with so many ``digits``, and ``name`` behind it."""

    name: str
    scale: float
    digits: int


POINTS = Unit(" points", 100, 2)
NATS = Unit(" nats", 1, 4)
EPOCHS = Unit(" epochs", 1, 1)
PER_CENT = Unit(" %", 100, 1)

CONFIDENCE_MARGIN = 0.01  # a point of confidence

USUAL = 0.1  # the alpha of Szegedy et al. 2016, fixed before any run, so that nothing has to be chosen


@dataclass(frozen=True)
class Comparison:
    """``values`` against ``base``, both by seed; seeds that are in both are compared.

    ``better`` is the sign that the difference has if the claim is true. Differences within ``margin``, in the
    metric's own unit, count as none.
    """

    words: str
    values: "Numbers"
    base: "Numbers"
    margin: float
    better: int = 1
    unit: Unit = POINTS


@dataclass(frozen=True)
class Measurement:
    """``values`` of one quantity, a round each, against a stated ``bound``: the median and the interval of
    the median decide. Not a test over seeds: it has no p."""

    words: str
    values: "Numbers"
    bound: float
    unit: Unit = PER_CENT


@dataclass(frozen=True)
class Evidence:
    """What a claim is decided on: ``runs``, the finished runs of its grid, a row each; the folder they are
    stored in; and the table that the claim's own `measure` made, if it has one."""

    runs: "pd.DataFrame"
    results_dir: Path = Path("results")
    measured: "pd.DataFrame | None" = None

    def where(self, **settings: object) -> "Evidence":
        """Those runs with the given settings; a truth value asks whether a knob is on."""
        kept = self.runs
        for name, value in settings.items():
            column = kept[name] > 0 if isinstance(value, bool) else kept[name]
            kept = kept[column == value]
        return Evidence(kept, self.results_dir, self.measured)

    def by_seed(self, metric: str, **settings: object) -> "Numbers":
        """``metric`` of the runs with the given settings, of which there may be one a seed."""
        found = self.where(**settings).runs.set_index("seed")
        if found.index.has_duplicates:
            raise ValueError(f"several runs a seed have {settings}")
        return found[metric].astype(float).dropna()

    def names(self) -> "dict[int, str]":
        """The names of the runs, by seed."""
        return {int(seed): str(run) for seed, run in zip(self.runs["seed"], self.runs["run"], strict=True)}

    def both(self, metric: str, **settings: object) -> "tuple[Numbers, Numbers]":
        """``metric`` at alpha 0.1 and at alpha 0, by seed."""
        return self.by_seed(metric, alpha=USUAL, **settings), self.by_seed(metric, alpha=0.0, **settings)

    def gain(self, metric: str, **settings: object) -> "Numbers":
        """The first of `both` minus the second."""
        smoothed, plain = self.both(metric, **settings)
        return (smoothed - plain).dropna()

    def chosen(self, **settings: object) -> "pd.DataFrame":
        """For each seed the run with the least NLL on the select split, the smaller alpha on a tie; seeds in
        the index. Seeds that lack an alpha are left out. Test has no say."""
        found = self.where(**settings).runs.sort_values(["select_nll", "alpha"])
        whole = found.groupby("seed")["alpha"].transform("nunique") == found["alpha"].nunique()
        return found[whole].groupby("seed").head(1).set_index("seed").sort_index()

    def history(self, metric: str, **settings: object) -> "dict[int, list[float]]":
        """``metric`` after each epoch of the runs with the given settings, by seed."""
        import pandas as pd

        names = self.where(**settings).names()
        files = {seed: runs.run_dir(self.results_dir, name) / "history.csv" for seed, name in names.items()}
        return {seed: pd.read_csv(file)[metric].tolist() for seed, file in files.items()}


@dataclass(frozen=True)
class Claim:
    """``words``: the claim as people make it; ``source``: who does, or has measured it; ``measured``: what is
    compared here. ``compare`` makes comparisons of the evidence, of which the first decides the claim.
    ``meaning`` says what a verdict word comes to where that is not plain. ``measure`` is for what is timed
    rather than trained: it is given the jobs of the grid, whose runs are stored, and returns a table.
    ``students`` is an experiment whose runs learn from those of the grid: it is done once for each cell of
    the grid, as their method.teacher. ``rank`` orders the claims, the most important first; those without one
    come last, by name."""

    words: str
    source: str
    measured: str
    compare: Callable[[Evidence], Sequence[Comparison | Measurement]]
    meaning: Mapping[str, str] = field(default_factory=dict)
    measure: "Callable[[Sequence[Job]], pd.DataFrame] | None" = None
    students: str = ""
    rank: float = math.inf


def comparison(
    words: str, evidence: Evidence, metric: str, margin: float, *, better: int = 1, unit: Unit = POINTS
) -> Comparison:
    """The usual one: ``metric`` at alpha 0.1 against alpha 0."""
    return Comparison(f"{words}, α = {USUAL:g} against 0", *evidence.both(metric), margin, better, unit)


def slopes(table: "pd.DataFrame", over: Sequence[float]) -> "Numbers":
    """The least-squares slope of each row over its columns' numbers; no rows where there is one column."""
    centred = np.asarray(over, dtype=float) - np.mean(over)
    if len(centred) < 2:
        return table.iloc[:0, 0]
    fitted: Numbers = table @ centred / float(centred @ centred)
    return fitted
