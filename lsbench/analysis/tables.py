"""Tables of records: a row per run, and a row per cell (all settings but the seed)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd

from lsbench.analysis.baselines import Compared, compared
from lsbench.analysis.columns import NOT_COMPARED, TEST_SET, Row, is_knob, is_metric, is_setting
from lsbench.analysis.rows import METRICS, RowScores, crossed_scores
from lsbench.analysis.selection import CRITERION, marks
from lsbench.analysis.stats import t_interval
from lsbench.terms import COLUMNS, DONE, METHOD_KNOBS

Values = Mapping[int, Mapping[str, float]]  # the metrics of a cell's finished runs, by seed

# Settings that order the rows, after treatments and knobs.
ORDER = ["label_noise", "lr", "epochs", "batch_size", "convention"]
PAIR = ["data", "model"]  # the rows of one of each may be compared


def runs_table(records: Sequence[Row]) -> pd.DataFrame:
    """One row per run: COLUMNS, then further keys as they appear. Independent of the order of ``records``.

    A method's knob is in the records of its runs alone; in other rows it is 0, which is off.
    """
    knobs = sorted({name for record in records for name, value in record.items() if is_knob(name, value)})
    complete = [record | {name: record.get(name) or 0.0 for name in knobs} for record in records]
    dotted = sorted({name for record in records for name in record if "." in name})
    complete.sort(key=lambda record: _sort_key(record, knobs, dotted))
    names = list(dict.fromkeys([*COLUMNS, *(key for record in complete for key in record)]))
    return pd.DataFrame({name: _column(name, [record.get(name) for record in complete]) for name in names})


def cells_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per cell. The columns, in order:

    - the settings, ``cell``, and the names of the cells that it is compared with (baselines.py);
    - the numbers of runs that are done (``n``), that failed or diverged (``n_failed``), and whose temperature
      is undetermined (``n_flagged``);
    - ``chosen_by`` (the criterion of selection.py) and `selection.marks`.
    """
    if runs.empty:
        return runs[PAIR]
    settings = [name for name in runs.columns if is_setting(name, runs[name])]
    cells = runs.groupby("cell", sort=False)[settings].first().reset_index()[[*settings, "cell"]]
    others = compared(cells, [name for name in settings if name not in COLUMNS])
    cells[list(Compared._fields)] = others
    counts = _counts(runs).loc[cells["cell"]].reset_index(drop=True)
    cells = pd.concat([cells, counts], axis=1).assign(chosen_by=CRITERION)
    marked = [marks(runs, part) for _, part in cells.groupby(PAIR, sort=False)]
    return pd.concat([cells, pd.concat(marked)], axis=1)


def with_columns(table: pd.DataFrame, columns: Mapping[str, Row]) -> pd.DataFrame:
    """``table`` with further ``columns``, given by the value of its column ``cell``."""
    if table.empty or not any(columns.values()):
        return table
    added = pd.DataFrame([columns[cell] for cell in table["cell"]], index=table.index)
    return pd.concat([table, added], axis=1)


def _sort_key(record: Row, knobs: Sequence[str], dotted: Sequence[str]) -> tuple[Any, ...]:
    """The order of rows: plain training, single methods, combinations, which also puts first what all runs
    have; then knobs, conditions, alpha and seed, so that the rows of one line are adjacent."""
    method = record["method"]
    first = (record["data"], record["model"], method != "none", method.count("+"), method)
    settings = (record[name] for name in (*METHOD_KNOBS, *knobs, *ORDER))
    further = ((isinstance(value, str), value or 0) for value in map(record.get, dotted))
    last = (record[name] for name in ("alpha", "cell", "seed", "run"))
    return (*first, *settings, *further, *last)


def _column(name: str, values: list[Any]) -> "pd.Series[Any]":
    present = [value for value in values if value is not None]
    if is_metric(name):
        return pd.Series(values, dtype="float64")
    if present and len(present) < len(values) and all(type(value) is int for value in present):
        return pd.Series(values, dtype="Int64")  # or a null would turn 4000 into 4000.0
    return pd.Series(values)


def _counts(runs: pd.DataFrame) -> pd.DataFrame:
    done = runs["status"] == DONE
    flagged = done & runs["temperature_flag"].isin(["separable", "uninformative"])
    counted = pd.DataFrame({"cell": runs["cell"], "n": done, "n_failed": ~done, "n_flagged": flagged})
    return counted.groupby("cell", sort=False).sum()


def metrics_of(runs: pd.DataFrame) -> list[str]:
    """The columns of `runs_table` that hold results of training."""
    return [name for name in runs.columns if is_metric(name)]


def values_by_cell(runs: pd.DataFrame, metrics: Sequence[str]) -> dict[str, dict[int, dict[str, float]]]:
    """The metrics of each cell's finished runs, by seed."""
    values: dict[str, dict[int, dict[str, float]]] = {cell: {} for cell in runs.get("cell", ())}
    done = runs[runs["status"] == DONE].reindex(columns=["cell", "seed", *metrics])
    rows = done[list(metrics)].to_dict("records")
    for cell, seed, row in zip(done["cell"], done["seed"], rows, strict=True):
        values[cell][seed] = cast(dict[str, float], row)
    return values


def means(metrics: Sequence[str], values: Values, scores: Mapping[int, RowScores | None]) -> Row:
    """For each metric of a cell, in its own unit, mean, sd and 95 % interval; for new images where ``scores``
    has its contributions by row."""
    row: Row = {}
    for metric in metrics:
        known = {seed: run[metric] for seed, run in values.items() if not math.isnan(run[metric])}
        numbers = list(known.values())
        variance = crossed_scores([(1.0, scores.get(seed), metric)] for seed in known)
        interval = t_interval(numbers, variance)._asdict()
        ends = ("mean", "sd") if metric in NOT_COMPARED else interval
        row |= {f"{metric}_{name}": interval[name] for name in ends}
    return row


def test_set_means(metrics: Sequence[str], values: Values) -> Row:
    """The 95 % intervals of the means for new seeds on the same test rows, of `rows.METRICS`."""
    row: Row = {}
    for metric in (name for name in METRICS if name in metrics):
        interval = t_interval([run[metric] for run in values.values() if not math.isnan(run[metric])])
        row |= {f"{metric}_{end}{TEST_SET}": getattr(interval, end) for end in ("low", "high")}
    return row
