"""Evidence for a claim: the finished runs of its grid, and the comparisons made from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench.analysis.by_seed import BySeed, metric_of
from lsbench.analysis.rows import RowScores
from lsbench.analysis.selection import CRITERION
from lsbench.formatting import PER_CENT, POINTS, Unit
from lsbench.store.runs import DamagedRunError, run_dir

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE_MARGIN = 0.01  # one percentage point of confidence
DEFAULT_ALPHA = 0.1  # that of Szegedy et al. 2016, fixed in advance, so that nothing has to be chosen


class Knob(Enum):
    """A state of a knob, as a condition of `Evidence.where`."""

    ON = "above 0"


ON = Knob.ON


@dataclass(frozen=True)
class Comparison:
    """``values`` against ``base``, both by seed; the seeds in both are compared. The verdict holds for new
    images if both are sums of metrics by row (by_seed.py), otherwise for new seeds on this test set.

    ``better`` is the sign of the difference if the claim is true. Differences within ``margin``, in the
    metric's own unit, do not matter. ``meaning`` says what a verdict implies, by its word, if that is not
    obvious. ``undecidable`` gives the reason, by word, for each verdict that these values cannot support at
    any p: the verdict is inconclusive instead.
    """

    words: str
    values: BySeed
    base: BySeed
    margin: float
    better: int = 1
    unit: Unit = POINTS
    meaning: Mapping[str, str] = field(default_factory=dict)
    undecidable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """``values`` of one quantity, one per round, against a ``bound`` that was fixed in advance. The interval
    of their median decides; there is no test over seeds and no p."""

    words: str
    values: "pd.Series[float]"
    bound: float
    unit: Unit = PER_CENT


@dataclass(frozen=True)
class Evidence:
    """The finished ``runs`` of a claim's grid, one per row, the folder that they are stored in, the table of
    the claim's own `measure`, if it has one, and the ``scores`` of the test rows of a run, if stored."""

    runs: "pd.DataFrame"
    results_dir: Path = Path("results")
    measured: "pd.DataFrame | None" = None
    scores: Callable[[str], RowScores | None] = lambda run: None

    def where(self, **settings: object) -> "Evidence":
        """The runs with these settings. A condition is a value, a set of values, or `ON`."""
        table = self.runs
        for name, value in settings.items():
            if value is ON:
                table = table[table[name] > 0]
            elif isinstance(value, set):
                table = table[table[name].isin(value)]
            else:
                table = table[table[name] == value]
        return replace(self, runs=table)

    def by_seed(self, metric: str, **settings: object) -> BySeed:
        """``metric`` of the runs with these settings, at most one for each seed."""
        table = self.where(**settings).runs.set_index("seed")
        if table.index.has_duplicates:
            raise ValueError(f"several runs per seed match {settings}")
        return metric_of(table, metric)

    def names(self) -> "dict[int, str]":
        """The names of the runs, by seed."""
        return {int(seed): str(run) for seed, run in zip(self.runs["seed"], self.runs["run"], strict=True)}

    def smoothed_and_plain(self, metric: str, **settings: object) -> tuple[BySeed, BySeed]:
        """``metric`` at alpha 0.1 and at alpha 0, by seed."""
        smoothed = self.by_seed(metric, alpha=DEFAULT_ALPHA, **settings)
        return smoothed, self.by_seed(metric, alpha=0.0, **settings)

    def gain(self, metric: str, **settings: object) -> BySeed:
        """``metric`` at alpha 0.1 minus ``metric`` at alpha 0, by seed."""
        smoothed, plain = self.smoothed_and_plain(metric, **settings)
        return smoothed - plain

    def interaction(
        self, metric: str, settings: Mapping[str, object], reference: Mapping[str, object]
    ) -> tuple[BySeed, BySeed]:
        """Two sums by seed, whose difference is the `gain` under ``settings`` minus that under ``reference``.
        They are sums of measured values so that rounding can be told from a difference."""
        smoothed, plain = self.smoothed_and_plain(metric, **settings)
        reference_smoothed, reference_plain = self.smoothed_and_plain(metric, **reference)
        return smoothed + reference_plain, plain + reference_smoothed

    def chosen(self, by: str = "alpha", **settings: object) -> "pd.DataFrame":
        """For each seed the run with the least `CRITERION`, and of equal ones that with the smaller value of
        the setting ``by``; seeds are the index. Seeds that lack one of its values are left out: they had
        less to choose from. Test results have no influence."""
        table = self.where(**settings).runs.sort_values([CRITERION, by])
        complete = table.groupby("seed")[by].transform("nunique") == table[by].nunique()
        return table[complete].groupby("seed").head(1).set_index("seed").sort_index()

    def history(self, metric: str, **settings: object) -> "dict[int, list[float]]":
        """``metric`` after each epoch of the runs with the given settings, by seed."""
        from lsbench.analysis import traces  # imports pandas

        histories = {}
        for seed, run in self.where(**settings).names().items():
            table = traces.read_table(self.results_dir, run, traces.HISTORY)
            names, values = table or ((), None)
            if values is None or metric not in names:
                path = run_dir(self.results_dir, run) / traces.HISTORY
                raise DamagedRunError(path, f"it has no column {metric}")
            histories[seed] = values[:, names.index(metric)].tolist()
        return histories


def comparison(
    words: str, evidence: Evidence, metric: str, margin: float, *, better: int = 1, unit: Unit = POINTS
) -> Comparison:
    """``metric`` at alpha 0.1 against alpha 0."""
    smoothed, plain = evidence.smoothed_and_plain(metric)
    return Comparison(f"{words}, α = {DEFAULT_ALPHA:g} against 0", smoothed, plain, margin, better, unit)


def at_grid_boundary(chosen: "pd.Series[float]", largest: float) -> bool:
    """True if most seeds choose the ``largest`` alpha of the grid, so that a larger one might be better. An
    alpha of 0 is not a boundary: none is below it, and a grid of 0 alone leaves no choice."""
    return largest > 0 and bool((chosen == largest).mean() > 0.5)


def undecidable(words: Sequence[str], largest: float, where: str = "") -> dict[str, str]:
    """The reason why each of these verdicts is not given at the grid boundary."""
    level = f" at {where}" if where else ""
    return dict.fromkeys(words, f"at the edge of the grid: most seeds choose α = {largest:g}{level}")
