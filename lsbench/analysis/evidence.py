"""What a claim is made of, and how its file takes numbers from the runs of its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsbench.analysis.selection import CRITERION
from lsbench.store import runs

if TYPE_CHECKING:
    import pandas as pd

    BySeed = pd.Series[float]


class NothingToJudgeError(Exception):
    """Raised by a claim's ``compare`` where the evidence lacks what it compares; the message says what."""


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

DEFAULT_ALPHA = (
    0.1  # the alpha of Szegedy et al. 2016, fixed before any run, so that nothing has to be chosen
)


@dataclass(frozen=True)
class Comparison:
    """``values`` against ``base``, both by seed; seeds that are in both are compared.

    ``better`` is the sign that the difference has if the claim is true. Differences within ``margin``, in the
    metric's own unit, count as none. ``meaning`` says what a verdict word comes to where that is not plain.
    ``withheld`` has the words that these values cannot bear out, whatever their p, and why: instead of one of
    them the verdict is inconclusive.
    """

    words: str
    values: "BySeed"
    base: "BySeed"
    margin: float
    better: int = 1
    unit: Unit = POINTS
    meaning: Mapping[str, str] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """``values`` of one quantity, a round each, against a stated ``bound``: the median and the interval of
    the median decide. Not a test over seeds: it has no p."""

    words: str
    values: "BySeed"
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
        """Those runs with the given settings; a truth value asks whether a knob is on, a set for any of its
        values."""
        kept = self.runs
        for name, value in settings.items():
            column = kept[name] > 0 if isinstance(value, bool) else kept[name]
            kept = kept[column.isin(value) if isinstance(value, set) else column == value]
        return Evidence(kept, self.results_dir, self.measured)

    def by_seed(self, metric: str, **settings: object) -> "BySeed":
        """``metric`` of the runs with the given settings, of which there may be one a seed."""
        found = self.where(**settings).runs.set_index("seed")
        if found.index.has_duplicates:
            raise ValueError(f"several runs a seed have {settings}")
        return found[metric].astype(float).dropna()

    def names(self) -> "dict[int, str]":
        """The names of the runs, by seed."""
        return {int(seed): str(run) for seed, run in zip(self.runs["seed"], self.runs["run"], strict=True)}

    def both(self, metric: str, **settings: object) -> "tuple[BySeed, BySeed]":
        """``metric`` at alpha 0.1 and at alpha 0, by seed."""
        return self.by_seed(metric, alpha=DEFAULT_ALPHA, **settings), self.by_seed(
            metric, alpha=0.0, **settings
        )

    def gain(self, metric: str, **settings: object) -> "BySeed":
        """The first of `both` minus the second."""
        smoothed, plain = self.both(metric, **settings)
        return (smoothed - plain).dropna()

    def interaction(
        self, metric: str, one: Mapping[str, object], other: Mapping[str, object]
    ) -> "tuple[BySeed, BySeed]":
        """Two sums by seed, whose difference is the `gain` under the settings ``one`` minus that under
        ``other``. Sums have the size of what was measured, by which rounding is told from a difference."""
        (smoothed, plain), (smoothed_other, plain_other) = (
            self.both(metric, **settings) for settings in (one, other)
        )
        return (smoothed + plain_other).dropna(), (plain + smoothed_other).dropna()

    def chosen(self, by: str = "alpha", **settings: object) -> "pd.DataFrame":
        """For each seed the run that is least by `CRITERION`, on a tie that with the smaller number of the
        setting ``by``; seeds in the index. Seeds that lack one of its values are left out, since they had
        less to choose from. Test has no say."""
        found = self.where(**settings).runs.sort_values([CRITERION, by])
        whole = found.groupby("seed")[by].transform("nunique") == found[by].nunique()
        return found[whole].groupby("seed").head(1).set_index("seed").sort_index()

    def history(self, metric: str, **settings: object) -> "dict[int, list[float]]":
        """``metric`` after each epoch of the runs with the given settings, by seed."""
        import pandas as pd

        names = self.where(**settings).names()
        files = {seed: runs.run_dir(self.results_dir, name) / "history.csv" for seed, name in names.items()}
        return {seed: pd.read_csv(file)[metric].tolist() for seed, file in files.items()}


def comparison(
    words: str, evidence: Evidence, metric: str, margin: float, *, better: int = 1, unit: Unit = POINTS
) -> Comparison:
    """The usual one: ``metric`` at alpha 0.1 against alpha 0."""
    return Comparison(
        f"{words}, α = {DEFAULT_ALPHA:g} against 0", *evidence.both(metric), margin, better, unit
    )


def regression_slopes(table: "pd.DataFrame", over: Sequence[float]) -> "BySeed":
    """The least-squares slope of each row over its columns' numbers; no rows where there is one column.

    To 12 digits: equal numbers in a row would else have a slope of 1e-17, equal in all rows and significant.
    """
    centred = np.asarray(over, dtype=float) - np.mean(over)
    if len(centred) < 2:
        return table.iloc[:0, 0]
    fitted: BySeed = table @ centred / float(centred @ centred)
    return fitted.round(12)
