"""Hyper-parameter selection on the select split (never on test): the α and the strength of each method.

The criterion is NLL after temperature scaling, with T from the calibrate split. NLL as trained would also
reward a model for being calibrated at T = 1, which scaling gives every other model for free: on noisy labels
it chose an α that cost accuracy.

Cells are compared by their mean over the seeds that all of them share, since a seed may be hard for every
cell. A cell with fewer finished runs than another of its group (a setting that makes runs diverge, say) is
not chosen, and nothing is chosen if the cells have no seed in common.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from lsbench.analysis.baselines import treatments
from lsbench.analysis.columns import Row, settings_of
from lsbench.analysis.labels import by_method, lines, varying_settings
from lsbench.formatting import format_setting
from lsbench.terms import DONE

CRITERION = "select_nll_ts"  # the column of the records whose minimum is chosen
CRITERION_TITLE = "select NLL scaled"  # its name in a table's header
CRITERION_WORDS = "NLL on the select split after temperature scaling"
CHOSEN, SMOOTHED = "chosen", "best with smoothing"
MARK = "choice"  # the column of the summary that marks the recommended cells of each method
MARK_AT_STRENGTH = (
    "choice_at_strength"  # the same for each strength of a method, for figures with one line per strength
)


@dataclass(frozen=True)
class Choice:
    """The cell ``row`` with the lowest mean criterion among the ``options`` cells of a method.

    ``strength`` is the chosen strength (dropout=0.3), empty if only one was run; ``agree`` of ``seeds`` seeds
    would choose the same cell on their own. ``largest`` says that its α is the largest of several, so that a
    larger one might be better.
    """

    label: str
    strength: str
    row: Row
    options: int
    agree: int
    seeds: int
    largest: bool


def objective(record: Mapping[str, Any]) -> float:
    """The criterion of a run, which a searching sweeper minimises, in nats; infinite unless it is done."""
    return float(record[CRITERION]) if record["status"] == DONE else float("inf")


def marks(runs: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """`MARK` and `MARK_AT_STRENGTH` for ``cells``, the rows of one data set and model with settings and n:
    `CHOSEN` for the chosen cell; `SMOOTHED` for the best cell with smoothing if the chosen one is without;
    otherwise empty."""
    by_seed = _by_seed(runs, cells)
    groups = {
        MARK: (rows for _, _, rows in choice_groups(cells)),
        MARK_AT_STRENGTH: (rows for _, rows in lines(cells)),
    }
    by_cell = {column: _marks_by_cell(by_seed, rows) for column, rows in groups.items()}
    columns = {column: [mark.get(cell, "") for cell in cells["cell"]] for column, mark in by_cell.items()}
    return pd.DataFrame(columns, index=cells.index)


def chosen(line: pd.DataFrame, column: str = MARK) -> Row | None:
    """The chosen row of a group; None if its cells have no finished seed in common."""
    return _marked_row(line, column, CHOSEN)


def recommended(line: pd.DataFrame, column: str = MARK) -> list[Row]:
    """The `chosen` row and, if it is without smoothing, the best row with smoothing."""
    return [row for mark in (CHOSEN, SMOOTHED) if (row := _marked_row(line, column, mark))]


def eligible(line: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be chosen: those with the largest number of finished runs."""
    rows: pd.DataFrame = line[(line["n"] > 0) & (line["n"] == line["n"].max())]
    return rows


def choice_groups(table: pd.DataFrame) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """Groups to choose from: a label (the method and its conditions), the varying knobs, the cells."""
    extras, knobs = varying_settings(table), treatments(settings_of(table))
    for label, rows in by_method(table, [name for name in extras if name not in knobs]):
        strengths = [name for name in extras if name in knobs and rows[name].nunique() > 1]
        yield label, strengths, rows


def undecided(table: pd.DataFrame) -> list[str]:
    """The labels of the groups with several cells of which none is chosen."""
    return [label for label, _, rows in choice_groups(table) if len(rows) > 1 and chosen(rows) is None]


def choices(runs: pd.DataFrame, table: pd.DataFrame) -> list[Choice]:
    """The choice in each group of ``table`` with several cells, whose runs are among ``runs``."""
    if table.empty:
        return []
    made = []
    by_seed = _by_seed(runs, table)
    for label, strengths, rows in choice_groups(table):
        best = chosen(rows)
        if best is None or len(rows) == 1:
            continue
        votes = _common(by_seed, rows).idxmin(axis=1)
        strength = ", ".join(f"{name}={format_setting(best[name])}" for name in strengths)
        agree = int((votes == best["cell"]).sum())
        largest = bool(rows["alpha"].min() < best["alpha"] == rows["alpha"].max())
        made.append(Choice(label, strength, best, len(rows), agree, len(votes), largest))
    return made


def _by_seed(runs: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The criterion: a row per seed, a column per cell; NaN where a run is not done."""
    of_cells = runs[runs["cell"].isin(cells["cell"])].reindex(columns=["seed", "cell", CRITERION])
    return of_cells.pivot(index="seed", columns="cell", values=CRITERION)


def _common(by_seed: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The criterion of the eligible cells, for the seeds that all of them have."""
    return by_seed[eligible(rows)["cell"]].dropna()


def _marks_by_cell(by_seed: pd.DataFrame, groups: Iterable[pd.DataFrame]) -> dict[str, str]:
    """The mark of each cell that has one."""
    marked = {}
    for rows in groups:
        smoothed = rows[rows["alpha"] > 0]
        best = _least(by_seed, rows)
        if best and best not in set(smoothed["cell"]) and (other := _least(by_seed, smoothed)):
            marked[other] = SMOOTHED
        if best:
            marked[best] = CHOSEN
    return marked


def _least(by_seed: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The cell with the least mean over the common seeds, the smaller alpha on a tie; empty without seeds."""
    means = _common(by_seed, rows.sort_values("alpha", kind="stable")).mean()
    return str(means.idxmin()) if means.notna().any() else ""


def _marked_row(line: pd.DataFrame, column: str, mark: str) -> Row | None:
    rows = line[line[column] == mark]
    return cast(Row, rows.iloc[0].to_dict()) if len(rows) else None
