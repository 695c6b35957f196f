"""Records to tables: one row per run, then one row per cell (all settings but the seed).

Every difference is paired by seed and taken from a baseline, which `baselines` defines: the cell without
smoothing and without any other treatment under the same conditions. Smoothing's own rival, temperature
scaling, is judged against the same cell without smoothing: see `RIVALS`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from lsbench.analysis.baselines import TREATMENTS, Row, compared
from lsbench.analysis.selection import CRITERION, marks
from lsbench.analysis.stats import holm, paired, t_interval
from lsbench.terms import COLUMNS, DONE

Values = dict[int, dict[str, float]]  # of a cell: seed to metric to value

# What smoothing is measured against besides plain training: temperature scaling alone, that is, the same cell
# without smoothing, after scaling. A name, the cell's own metric, and the rival's.
RIVALS = {
    "test_ece_vs_ts": ("test_ece", "test_ece_ts"),
    "test_ece_ts_vs_ts": ("test_ece_ts", "test_ece_ts"),
}
# What differs between the runs of one cell, and is neither a setting nor a metric.
PER_RUN = [
    *("run", "status", "seed", "device", "stack_size", "lsbench", "git_sha", "torch", "finished", "error"),
    *("cell", "temperature_flag", "diverged_step"),
]
ORDER = ["label_noise", "lr", "epochs", "batch_size", "convention"]  # of rows, behind treatments and knobs


def runs_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per run: COLUMNS, then further keys as they appear. Independent of the order of ``records``.

    A method's own knob is in the records of its runs alone; elsewhere it is off, which is 0.
    """
    knobs = sorted({name for record in records for name, value in record.items() if _is_knob(name, value)})
    whole = [record | {name: record.get(name) or 0.0 for name in knobs} for record in records]
    dotted = sorted({name for record in records for name in record if "." in name})
    whole.sort(key=lambda record: _place(record, knobs, dotted))
    names = list(dict.fromkeys([*COLUMNS, *(key for record in whole for key in record)]))
    return pd.DataFrame({name: _column(name, [record.get(name) for record in whole]) for name in names})


def summary_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: its settings, ``cell``, ``baseline`` and ``unsmoothed`` (names of cells, empty if
    none), the numbers of runs that are done (n), failed or diverged (n_failed) and without a temperature
    (n_flagged), ``chosen_by`` (the column whose least mean is chosen) and `selection.marks`, then for each
    metric, in its own unit, mean, sd, 95 % t-interval and the paired difference from the baseline; at the end
    the differences of `RIVALS`.
    """
    if runs.empty:
        return runs[["data", "model"]]
    metrics = [name for name in runs.columns if is_metric(name)]
    settings = [name for name in runs.columns if _is_setting(name, runs[name])]
    cells = runs.groupby("cell", sort=False)[settings].first().reset_index()[[*settings, "cell"]]
    others = compared(cells, [name for name in settings if name not in COLUMNS])
    cells["baseline"], cells["unsmoothed"] = zip(*others, strict=True)
    values = _values(runs, metrics)
    rows = [
        _means(metrics, values[cell])
        | _differences(
            {name: (name, name) for name in metrics}, values[cell], values.get(base, {}), cell != base
        )
        | _differences(RIVALS, values[cell], values.get(rival, {}), cell != rival)
        for cell, (base, rival) in zip(cells["cell"], others, strict=True)
    ]
    counts = _counts(runs).loc[cells["cell"]].reset_index(drop=True)
    cells = pd.concat([cells, counts], axis=1).assign(chosen_by=CRITERION)
    marked = [marks(runs, table) for _, table in cells.groupby(["data", "model"], sort=False)]
    summary = pd.concat([cells, pd.concat(marked), pd.DataFrame(rows)], axis=1)
    for _, table in summary.groupby(["data", "model"], sort=False):
        for name in (*metrics, *RIVALS):
            summary.loc[table.index, f"{name}_p_holm"] = holm(table[f"{name}_p"].to_numpy())
    return summary


def is_metric(name: str) -> bool:
    """Whether a column is a result of training rather than a setting or a fact about the run."""
    return name.startswith(("test_", "select_", "train_")) or name == "temperature"


def _is_setting(name: str, column: "pd.Series[Any]") -> bool:
    """Of the further keys, those with a dot are settings; of the others, numbers are knobs, text a remark."""
    known = name in COLUMNS or "." in name or pd.api.types.is_numeric_dtype(column)
    return known and name not in PER_RUN and not is_metric(name)


def _is_knob(name: str, value: Any) -> bool:
    """Whether a record's key is the knob of a method that has no column of its own."""
    named = name not in COLUMNS and name not in PER_RUN and "." not in name and not is_metric(name)
    return named and isinstance(value, int | float)


def _place(record: dict[str, Any], knobs: Sequence[str], dotted: Sequence[str]) -> tuple[Any, ...]:
    """Where a record stands: plain training before one method and one before several, which puts what all
    runs have first too; then knobs, conditions, alpha and seed, so that the rows of one line are together."""
    method = record["method"]
    first = (record["data"], record["model"], method != "none", method.count("+"), method)
    settings = (record[name] for name in (*TREATMENTS, *knobs, *ORDER))
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
    marks = pd.DataFrame({"cell": runs["cell"], "n": done, "n_failed": ~done, "n_flagged": flagged})
    return marks.groupby("cell", sort=False).sum()


def _values(runs: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Values]:
    """Each cell's finished runs."""
    values: dict[str, Values] = {cell: {} for cell in runs["cell"]}
    done = runs[runs["status"] == DONE]
    numbers = done[list(metrics)].to_dict("records")
    for cell, seed, found in zip(done["cell"], done["seed"], numbers, strict=True):
        values[cell][seed] = cast(dict[str, float], found)
    return values


def _means(metrics: Sequence[str], own: Values) -> Row:
    return {
        f"{metric}_{name}": value
        for metric in metrics
        for name, value in t_interval(_known(run[metric] for run in own.values()))._asdict().items()
    }


def _differences(pairs: Mapping[str, tuple[str, str]], own: Values, other: Values, apart: bool) -> Row:
    """For each name in ``pairs`` the difference of its first metric in ``own`` from its second in ``other``,
    paired by seed; nothing is paired where they are not ``apart``."""
    both = [(own[seed], other[seed]) for seed in own if seed in other] if apart else []
    row: Row = {}
    for name, (mine, theirs) in pairs.items():
        values = [(a[mine], b[theirs]) for a, b in both]
        known = [pair for pair in values if not (math.isnan(pair[0]) or math.isnan(pair[1]))]
        diff, low, high, p, n, sd = paired([a for a, _ in known], [b for _, b in known])
        row |= {f"{name}_diff": diff, f"{name}_diff_low": low, f"{name}_diff_high": high}
        row |= {f"{name}_diff_sd": sd, f"{name}_diff_n": n, f"{name}_p": p, f"{name}_p_holm": math.nan}
    return row


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
