"""Which α, and which strength, each method is recommended with: the select split decides, test has no say.

By which number, criterion.py says. A cell of which fewer runs finished than of another one of its contest is
not chosen: its mean is over other seeds, such as those that survived a setting which makes runs diverge.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pandas as pd

from lsbench.report.aggregate import Row, grouped, varying
from lsbench.report.baselines import settings_of, treatments
from lsbench.report.criterion import CRITERIA, Criterion
from lsbench.report.text import brief


@dataclass(frozen=True)
class Choice:
    """The cell ``row`` with the least mean of what chooses among one method's, ``options`` in number.

    ``strength`` is what it was chosen by besides α (dropout=0.3), empty where only one was run; ``agree`` of
    ``seeds`` seeds would choose the same by themselves.
    """

    label: str
    strength: str
    row: Row
    options: int
    agree: int
    seeds: int


def chosen(line: pd.DataFrame) -> Row | None:
    """The row with the least mean of what chooses, the smaller alpha on a tie; test has no say. None where no
    run is done."""
    if line.empty:
        return None
    by = [f"{chooses(line).column}_mean", "alpha"]
    found = eligible(line).dropna(subset=by).sort_values(by, kind="stable")
    return cast(Row, found.iloc[0].to_dict()) if len(found) else None


def chooses(table: pd.DataFrame) -> Criterion:
    """What chooses among the rows of ``table``, of which there is one at least."""
    return CRITERIA[table["chosen_by"].iloc[0]]


def eligible(line: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be chosen: those of which the most runs finished."""
    fullest: pd.DataFrame = line[(line["n"] > 0) & (line["n"] == line["n"].max())]
    return fullest


def recommended(line: pd.DataFrame) -> list[Row]:
    """What is `chosen`, and behind it, where that is without smoothing, the best with smoothing."""
    best = chosen(line)
    smoothed = chosen(line[line["alpha"] > 0]) if best and best["alpha"] == 0 else None
    return [row for row in (best, smoothed) if row]


def contests(table: pd.DataFrame) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """A label (the method, and the conditions that tell it apart), the strengths that were run, the cells."""
    extras, knobs = varying(table), treatments(settings_of(table))
    for label, rows in grouped(table, [name for name in extras if name not in knobs]):
        strengths = [name for name in extras if name in knobs and rows[name].nunique() > 1]
        yield label, strengths, rows


def choices(runs: pd.DataFrame, table: pd.DataFrame) -> list[Choice]:
    """What is chosen in each contest that leaves a choice. Those of ``table`` are among ``runs``."""
    if table.empty:
        return []
    found = []
    by_seed = runs.pivot(index="seed", columns="cell", values=chooses(table).column)
    for label, strengths, rows in contests(table):
        best = chosen(rows)
        if best is None or len(rows) == 1:
            continue
        votes = by_seed[eligible(rows)["cell"]].dropna().idxmin(axis=1)
        strength = ", ".join(f"{name}={brief(best[name])}" for name in strengths)
        agree = int((votes == best["cell"]).sum())
        found.append(Choice(label, strength, best, len(rows), agree, len(votes)))
    return found
