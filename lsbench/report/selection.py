"""Which α, and which strength, each method is recommended with: the select split decides, test has no say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pandas as pd

from lsbench.report.aggregate import Row, grouped, varying
from lsbench.report.baselines import settings_of, treatments
from lsbench.report.text import brief


@dataclass(frozen=True)
class Choice:
    """The cell ``row`` with the least mean select NLL of one method's, ``options`` in number.

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
    """The row with the least mean NLL on the select split, the smaller alpha on a tie; test has no say."""
    by = ["select_nll_mean", "alpha"]
    known = line.loc[line["select_nll_mean"].notna(), by].sort_values(by, kind="stable")
    return cast(Row, line.loc[known.index[0]].to_dict()) if len(known) else None


def contests(table: pd.DataFrame) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """A label (the method, and the conditions that tell it apart), the strengths that were run, the cells."""
    extras, knobs = varying(table), treatments(settings_of(table))
    for label, rows in grouped(table, [name for name in extras if name not in knobs]):
        strengths = [name for name in extras if name in knobs and rows[name].nunique() > 1]
        yield label, strengths, rows


def choices(runs: pd.DataFrame, table: pd.DataFrame) -> list[Choice]:
    """What is chosen in each contest that leaves a choice. Those of ``table`` are among ``runs``."""
    found = []
    by_seed = runs.pivot(index="seed", columns="cell", values="select_nll")
    for label, strengths, rows in contests(table):
        best = chosen(rows)
        if best is None or len(rows) == 1:
            continue
        votes = by_seed[rows["cell"]].dropna(axis=1, how="all").dropna().idxmin(axis=1)
        strength = ", ".join(f"{name}={brief(best[name])}" for name in strengths)
        agree = int((votes == best["cell"]).sum())
        found.append(Choice(label, strength, best, len(rows), agree, len(votes)))
    return found
