"""Tables of records: a row per run, and a row per cell (all settings but the seed).

Differences are paired by seed and taken from the baseline that baselines.py defines: the cell without
smoothing and without any other treatment under the same conditions. ECE is compared with temperature scaling
too, the alternative to smoothing: see `RIVALS`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from lsbench.analysis.baselines import compared
from lsbench.analysis.columns import P_HOLM, PAIRED, Row, is_knob, is_metric, is_setting, paired_columns
from lsbench.analysis.selection import CRITERION, marks
from lsbench.analysis.stats import holm, paired, t_interval
from lsbench.terms import COLUMNS, DONE, METHOD_KNOBS

Values = dict[int, dict[str, float]]  # the metrics of a cell's runs, by seed

# Comparisons with temperature scaling alone, that is, with the cell without smoothing after scaling: a name,
# the metric of the cell, and the metric of the other cell.
RIVALS = {"test_ece_vs_ts": ("test_ece", "test_ece_ts"), "test_ece_ts_vs_ts": ("test_ece_ts", "test_ece_ts")}
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

    - the settings, ``cell``, ``baseline`` and ``unsmoothed`` (names of cells; empty if there is none);
    - the numbers of runs that are done (``n``), that failed or diverged (``n_failed``), and whose temperature
      is undetermined (``n_flagged``);
    - ``chosen_by`` (the criterion of selection.py) and `selection.marks`;
    - for each metric, in its own unit: mean, sd and 95 % t-interval, then the paired difference from the
      baseline; at the end the differences of `RIVALS`.
    """
    if runs.empty:
        return runs[PAIR]
    metrics = [name for name in runs.columns if is_metric(name)]
    settings = [name for name in runs.columns if is_setting(name, runs[name])]
    cells = runs.groupby("cell", sort=False)[settings].first().reset_index()[[*settings, "cell"]]
    others = compared(cells, [name for name in settings if name not in COLUMNS])
    cells["baseline"], cells["unsmoothed"] = zip(*others, strict=True)
    values = _values(runs, metrics)
    same = {name: (name, name) for name in metrics}
    rows = []
    for cell, (baseline, unsmoothed) in zip(cells["cell"], others, strict=True):
        row = _means(metrics, values[cell])
        row |= _differences(same, values[cell], {} if baseline == cell else values.get(baseline, {}))
        row |= _differences(RIVALS, values[cell], {} if unsmoothed == cell else values.get(unsmoothed, {}))
        rows.append(row)
    counts = _counts(runs).loc[cells["cell"]].reset_index(drop=True)
    cells = pd.concat([cells, counts], axis=1).assign(chosen_by=CRITERION)
    marked = [marks(runs, part) for _, part in cells.groupby(PAIR, sort=False)]
    table = pd.concat([cells, pd.concat(marked), pd.DataFrame(rows)], axis=1)
    for _, part in table.groupby(PAIR, sort=False):
        for name in (*metrics, *RIVALS):
            table.loc[part.index, f"{name}{P_HOLM}"] = holm(part[f"{name}{PAIRED['p']}"].to_numpy())
    return table


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


def _values(runs: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Values]:
    """The metrics of each cell's finished runs."""
    values: dict[str, Values] = {cell: {} for cell in runs["cell"]}
    done = runs[runs["status"] == DONE]
    rows = done[list(metrics)].to_dict("records")
    for cell, seed, row in zip(done["cell"], done["seed"], rows, strict=True):
        values[cell][seed] = cast(dict[str, float], row)
    return values


def _means(metrics: Sequence[str], values: Values) -> Row:
    return {
        f"{metric}_{name}": value
        for metric in metrics
        for name, value in t_interval(_known(run[metric] for run in values.values()))._asdict().items()
    }


def _differences(metrics: Mapping[str, tuple[str, str]], values: Values, others: Values) -> Row:
    """For each name in ``metrics`` the difference between its first metric in ``values`` and its second in
    ``others``, paired by seed."""
    pairs = [(values[seed], others[seed]) for seed in values if seed in others]
    row: Row = {}
    for name, (first, second) in metrics.items():
        known = [
            (a[first], b[second]) for a, b in pairs if not (math.isnan(a[first]) or math.isnan(b[second]))
        ]
        row |= paired_columns(name, paired([a for a, _ in known], [b for _, b in known]))
        row[f"{name}{P_HOLM}"] = math.nan
    return row


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
