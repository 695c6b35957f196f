"""Which number chooses α, a method's strength and a student's temperature: one of the select split.

It is NLL after temperature scaling, with T from the calibrate split. NLL as trained also rewards whatever is
calibrated at T = 1, which scaling gives every rival for nothing: on noisy labels it chose an α that cost
accuracy. Records from before the former was measured lack it. Two numbers cannot be compared, so where any
of the runs to choose among lacks it, NLL as trained chooses among all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Criterion:
    """``column`` of the records, of which the least is chosen; ``short`` names it in a table's header and
    ``words`` where the choice is explained."""

    column: str
    short: str
    words: str


SCALED = Criterion("select_nll_ts", "select NLL scaled", "NLL on the select split after temperature scaling")
TRAINED = Criterion(
    "select_nll",
    "select NLL",
    "NLL on the select split as trained, since some runs were stored before it was measured after scaling",
)


CRITERIA = {found.column: found for found in (SCALED, TRAINED)}


def criterion(runs: "pd.DataFrame") -> Criterion:
    """What chooses among ``runs``, the records of one data set and model as a table; those that are not done
    have neither number and no say."""
    done = runs[runs[TRAINED.column].notna()]
    whole = SCALED.column in runs and bool(done[SCALED.column].notna().all())
    return SCALED if whole else TRAINED


def objective(record: Mapping[str, Any]) -> float:
    """What a searching sweeper minimises, in nats: `SCALED` of a done run, which is told before the others
    are known, so that only a record without it gives `TRAINED`; infinite for a run that is not done."""
    if record["status"] != "done":
        return float("inf")
    value = record.get(SCALED.column)
    return float(record[TRAINED.column] if value is None else value)
