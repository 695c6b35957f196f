"""What `lsbench probe` measured of a sweep's runs, as tables of its report: accuracy under attack and so on.

Every column of probes.csv that has no section of its own gets a table, whichever probe measured it.
"""

from typing import NamedTuple

import pandas as pd

from lsbench.analysis.results import Part
from lsbench.analysis.stats import paired, t_interval
from lsbench.formatting import DASH, NATS, POINTS, Unit, format_setting, plus_minus
from lsbench.report.penultimate import TITLES
from lsbench.report.tables import Table


class Probed(NamedTuple):
    """What the runs of a sweep were probed for: the table of probes.csv, and `penultimate.ratios`."""

    columns: pd.DataFrame
    ratios: pd.DataFrame


TITLE = "Measured on stored weights"
ABOUT = (
    "By lsbench probe, whose probes.csv has every run. Means ± half of the 95 % interval; Δ is what "
    "smoothing does to the same method, paired by seed. The intervals hold for new seeds on this test set."
)
FACTS = ("run", "status", "data", "model", "method", "alpha", "seed")


def probe_table(part: Part, probes: pd.DataFrame) -> Table:
    """Header and rows: a row for each cell of ``part``, with mean and Δ of each column of ``probes``, the
    table of probes.csv, in which runs differ."""
    varying = [name for name in probes.columns if probes[name].nunique() > 1]
    columns = [name for name in varying if name not in (*FACTS, *TITLES)]
    header = ["method", "α", "n", *(title for name in columns for title in _titles(name))]
    runs = part.runs[["run", "cell", "seed"]].merge(probes[["run", *columns]], on="run")
    values = {str(cell): table.set_index("seed")[columns] for cell, table in runs.groupby("cell")}
    rows = [
        [
            part.labels[row["cell"]],
            format_setting(row["alpha"]),
            str(len(values[row["cell"]].dropna(how="all"))),
            *(text for name in columns for text in _cells(values, row["cell"], row["unsmoothed"], name)),
        ]
        for row in part.rows
        if columns and row["cell"] in values
    ]
    return header, rows


def _titles(name: str) -> tuple[str, str]:
    words = name.replace("_", " ")
    return (f"{words} %", "Δ, points") if _is_share(name) else (words, "Δ")


def _is_share(name: str) -> bool:
    return name.endswith("_accuracy")


def _cells(values: "dict[str, pd.DataFrame]", cell: str, other: str, name: str) -> tuple[str, str]:
    """The mean of a column, and its difference from the cell without smoothing."""
    unit: Unit = POINTS if _is_share(name) else NATS
    mean = t_interval(values[cell][name].dropna().tolist())
    text = plus_minus(mean.mean, mean.high - mean.mean, unit.digits, unit.scale)
    if other == cell or other not in values:
        return text, DASH
    sides = pd.concat([values[cell][name], values[other][name]], axis=1, join="inner").dropna()
    pair = paired(sides.iloc[:, 0].tolist(), sides.iloc[:, 1].tolist())
    effect, low, high = (unit.number(value, sign=True) for value in (pair.diff, pair.low, pair.high))
    return text, effect if low == DASH else f"{effect} [{low}, {high}]"
