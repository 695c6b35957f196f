"""The columns of runs.csv and summary.csv: metrics, settings, facts of a run, and statistics."""

from typing import Any

import pandas as pd

from lsbench.analysis.stats import Paired
from lsbench.terms import COLUMNS

Row = dict[str, Any]

# Facts of a run that are neither a setting nor a metric.
PER_RUN = [
    *("run", "status", "seed", "device", "stack_size", "lsbench", "git_sha", "torch", "finished", "error"),
    *("cell", "temperature_flag", "diverged_step"),
]
METRIC_PREFIXES = ("test_", "select_", "train_")

# The columns of a metric's paired difference, by the fields of `Paired`, each behind the metric's name.
PAIRED = {
    "diff": "_diff",
    "low": "_diff_low",
    "high": "_diff_high",
    "sd": "_diff_sd",
    "n": "_diff_n",
    "p": "_p",
}
P_HOLM, P_TOST, P_TOST_HOLM, VERDICT = "_p_holm", "_p_tost", "_p_tost_holm", "_verdict"


def is_metric(name: str) -> bool:
    """True if a column holds a result of training rather than a setting or a fact of the run."""
    return name.startswith(METRIC_PREFIXES) or name == "temperature"


def is_setting(name: str, column: "pd.Series[Any]") -> bool:
    """True if a column holds a setting. Outside COLUMNS a name with a dot is a setting, a number is a knob,
    and text is a remark."""
    known = name in COLUMNS or "." in name or pd.api.types.is_numeric_dtype(column)
    return known and name not in PER_RUN and not is_metric(name)


def is_knob(name: str, value: Any) -> bool:
    """True if a record's key is the knob of a method and has no column in COLUMNS."""
    further = name not in COLUMNS and name not in PER_RUN and "." not in name and not is_metric(name)
    return further and isinstance(value, int | float)


def settings_of(cells: pd.DataFrame) -> list[str]:
    """The columns of a summary that are settings: those before ``cell``."""
    return list(cells.columns[: cells.columns.get_loc("cell")])


def as_rows(table: pd.DataFrame) -> list[Row]:
    """The rows of a table as dictionaries; ten times as fast here as pandas' own to_dict."""
    names = list(table.columns)
    columns = [table[name].tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def paired_columns(metric: str, pair: Paired) -> Row:
    """A paired difference as columns of the summary."""
    return {f"{metric}{suffix}": getattr(pair, field) for field, suffix in PAIRED.items()}


def read_paired(row: Row, metric: str) -> Paired:
    """The paired difference in a row of the summary."""
    values = {field: row[f"{metric}{suffix}"] for field, suffix in PAIRED.items()}
    return Paired(**values | {"n": int(values["n"])})
