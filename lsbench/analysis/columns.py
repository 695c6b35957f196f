"""The columns of runs.csv and summary.csv: metrics, settings, facts of a run, and statistics."""

from typing import Any

import pandas as pd

from lsbench.terms import COLUMNS

Row = dict[str, Any]

# Facts of a run that are neither a setting nor a metric.
PER_RUN = [
    *("run", "status", "seed", "device", "stack_size", "lsbench", "git_sha", "torch", "finished", "error"),
    *("cell", "temperature_flag", "diverged_step"),
]
METRIC_PREFIXES = ("test_", "select_", "train_")
NOT_COMPARED = ("train_seconds",)  # a share of the time of a whole stack, on whatever machine

# The kinds of comparison, by what a cell is compared with: the same cell without smoothing, plain training,
# the same cell with the convention uniform, or the cell without smoothing after temperature scaling.
SMOOTHING, PLAIN, CONVENTION, SCALING = KINDS = ("smoothing", "plain", "convention", "scaling")
STEMS = {SMOOTHING: "_diff_unsmoothed", PLAIN: "", CONVENTION: "_diff_uniform", SCALING: "_vs_ts"}
P_HOLM, P_TOST, P_TOST_HOLM, VERDICT = "_p_holm", "_p_tost", "_p_tost_holm", "_verdict"
TEST_SET = "_test_set"  # ends the columns that hold for new seeds on the same test rows


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


def stem(metric: str, kind: str) -> str:
    """The beginning of the columns of a comparison of this ``kind``."""
    return f"{metric}{STEMS[kind]}"


def paired_columns(metric: str, kind: str) -> dict[str, str]:
    """The columns of a paired difference by the fields of `stats.Paired`."""
    start = stem(metric, kind)
    diff = start if kind in (SMOOTHING, CONVENTION) else f"{start}_diff"
    return (
        {"diff": diff} | {name: f"{diff}_{name}" for name in ("low", "high", "sd", "n")} | {"p": f"{start}_p"}
    )
