"""Records to tables: one row per run, then one row per cell (all settings but the seed).

Every difference is paired by seed and taken from a baseline: the cell without smoothing and without any
other treatment under the same conditions. What is a treatment and what a condition:

- `alpha`, `method`, `dropout`, `augment`, `weight_decay` and a method's own knobs are treatments. The
  baseline has alpha 0 and each other treatment off. A treatment that is on in every cell under these
  conditions (a weight decay of 5e-4 throughout, say) is one of them: the baseline has the cell's own value.
- `label_noise`, the data and their size, `model`, `lr`, `epochs`, `batch_size`, `precision` and the settings
  with a dot in their name (`model.hidden`, `optim.momentum`) are conditions: the baseline has the same.
  What smoothing does under 20 % label noise is asked of a model that was trained under it.
- `convention` says nothing at alpha 0; the baseline's own may differ, and the cell's is preferred.

Where no such cell was run, the alpha 0 cell of otherwise equal settings stands in. Where there is none, or
where two cells fit equally because they differ in a setting that no column shows, no difference is given.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from lsbench.report.stats import holm, paired, t_interval
from lsbench.terms import COLUMNS

Row = dict[str, Any]

TREATMENTS = ["method", "dropout", "augment", "weight_decay"]
CONDITIONS = ["label_noise", "lr", "epochs", "batch_size", "precision", "n_train", "n_test", "data_sha256"]
# What differs between the runs of one cell, and is neither a setting nor a metric.
PER_RUN = [
    *("run", "status", "seed", "device", "stack_size", "lsbench", "git_sha", "torch", "finished", "error"),
    *("cell", "temperature_flag", "diverged_step"),
]
ORDER = [
    *("data", "model", "method", "dropout", "augment", "weight_decay", "label_noise", "lr", "epochs"),
    *("batch_size", "convention", "alpha", "cell", "seed", "run"),
]


def runs_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per run: COLUMNS, then further keys as they appear. Independent of the order of ``records``."""
    unique = {record["run"]: record for record in sorted(records, key=_place)}.values()
    names = list(dict.fromkeys([*COLUMNS, *(key for record in unique for key in record)]))
    return pd.DataFrame({name: _column(name, [record.get(name) for record in unique]) for name in names})


def summary_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: its settings, ``cell`` and ``baseline`` (a cell's name, empty if none), the numbers
    of runs that are done (n), failed or diverged (n_failed) and without a temperature (n_flagged), then for
    each metric, in its own unit, mean, sd, 95 % t-interval and the paired difference from the baseline.
    """
    if runs.empty:
        return runs[["data", "model"]]
    metrics = [name for name in runs.columns if is_metric(name)]
    settings = [name for name in runs.columns if _is_setting(name, runs[name])]
    grouped = runs.groupby("cell", sort=False)
    cells = grouped[settings].first().reset_index()[[*settings, "cell"]]
    cells["baseline"] = _baselines(cells, [name for name in settings if name not in COLUMNS])
    done = runs[runs["status"] == "done"]
    values = {str(cell): rows.set_index("seed")[metrics] for cell, rows in done.groupby("cell", sort=False)}
    values |= {cell: done.set_index("seed")[metrics].iloc[:0] for cell in cells["cell"] if cell not in values}
    rows = [
        _counts(grouped.get_group(cell))
        | _statistics(values[cell], values.get(base) if base != cell else None)
        for cell, base in zip(cells["cell"], cells["baseline"], strict=True)
    ]
    summary = pd.concat([cells, pd.DataFrame(rows)], axis=1)
    for _, table in summary.groupby(["data", "model"], sort=False):
        for metric in metrics:
            summary.loc[table.index, f"{metric}_p_holm"] = holm(table[f"{metric}_p"].to_numpy())
    return summary


def is_metric(name: str) -> bool:
    """Whether a column is a result of training rather than a setting or a fact about the run."""
    return name.startswith(("test_", "select_", "train_")) or name == "temperature"


def _is_setting(name: str, column: "pd.Series[Any]") -> bool:
    """Of the further keys, those with a dot are settings; of the others, numbers are knobs, text a remark."""
    known = name in COLUMNS or "." in name or pd.api.types.is_numeric_dtype(column)
    return known and name not in PER_RUN and not is_metric(name)


def tables(summary: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The summary's parts that may be compared: (data, model, rows), one per data set and model."""
    for (data, model), table in summary.groupby(["data", "model"], sort=False):
        yield str(data), str(model), table


def varying(table: pd.DataFrame) -> list[str]:
    """Settings besides alpha that tell apart cells of one method, and so belong beside its name."""
    settings = list(table.columns[: table.columns.get_loc("cell")])
    by_method = table.groupby("method", sort=False)
    found = [name for name in settings if name != "alpha" and (by_method[name].nunique() > 1).any()]
    return found if not table.duplicated(["method", "alpha", *found]).any() else [*found, "cell"]


def lines(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """A label (the method, and what else tells it apart) and its rows, alpha ascending."""
    extras = [name for name in varying(table) if name != "cell"]
    for key, rows in table.groupby(["method", *extras], sort=False, dropna=False):
        settings = (f"{name}={brief(value)}" for name, value in zip(extras, key[1:], strict=True))
        yield ", ".join([str(key[0]), *settings]), rows.sort_values("alpha", kind="stable")


def chosen(line: pd.DataFrame) -> Row | None:
    """The row with the least mean NLL on the select split, the smaller alpha on a tie; test has no say."""
    candidates = as_rows(line.dropna(subset=["select_nll_mean"]))
    return min(candidates, key=lambda row: (row["select_nll_mean"], row["alpha"]), default=None)


def as_rows(table: pd.DataFrame) -> list[Row]:
    return cast(list[Row], table.to_dict("records"))


def brief(value: Any) -> str:
    """A setting for reading: 0.1 rather than 0.1000."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(record: dict[str, Any]) -> tuple[Any, ...]:
    """Where a record stands: plain training before the methods, then knobs, alpha and seed."""
    values = [record[name] for name in ORDER]
    return (*values[:2], record["method"] != "none", *values[2:])


def _column(name: str, values: list[Any]) -> "pd.Series[Any]":
    present = [value for value in values if value is not None]
    if is_metric(name):
        return pd.Series(values, dtype="float64")
    if present and len(present) < len(values) and all(type(value) is int for value in present):
        return pd.Series(values, dtype="Int64")  # or a null would turn 4000 into 4000.0
    return pd.Series(values)


def _baselines(cells: pd.DataFrame, further: list[str]) -> list[str]:
    """For each cell the name of its baseline cell, by the rules at the top of this file; empty if none."""
    knobs = [name for name in further if "." not in name]
    treatments = [*TREATMENTS, *knobs]
    known = cells.fillna(dict.fromkeys(knobs, 0)).astype({"n_train": float, "n_test": float})
    names = []
    for _, peers in known.groupby(["data", "model"], sort=False):
        names += [(index, _baseline(cell, peers, treatments)) for index, cell in peers.iterrows()]
    return [name for _, name in sorted(names)]


def _baseline(cell: "pd.Series[Any]", cells: pd.DataFrame, treatments: list[str]) -> str:
    # a cell whose runs all failed may lack the facts that only loading the data brings
    # n_train and n_test say what data.train and data.test came to
    dotted = [name for name in cells.columns if "." in name and name not in ("data.train", "data.test")]
    alike = [
        (cells[name] == cell[name]).fillna(False).astype(bool) | cells[name].isna()
        for name in (*CONDITIONS, *dotted)
    ]
    peers = cells[np.logical_and.reduce(alike)]
    plain = same = peers[peers["alpha"] == 0]
    for name in treatments:
        off = "none" if name == "method" else 0
        plain = plain[plain[name] == (off if (peers[name] == off).any() else cell[name])]
        same = same[same[name] == cell[name]]
    fitting = same if plain.empty else plain
    if cell["cell"] in set(fitting["cell"]):
        return str(cell["cell"])
    for convention in dict.fromkeys([cell["convention"], "uniform", *fitting["convention"]]):
        match = fitting[fitting["convention"] == convention]
        if not match.empty:
            return str(match["cell"].iloc[0]) if len(match) == 1 else ""
    return ""


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    done = rows["status"] == "done"
    flagged = done & rows["temperature_flag"].isin(["separable", "uninformative"])
    return {"n": int(done.sum()), "n_failed": int((~done).sum()), "n_flagged": int(flagged.sum())}


def _statistics(own: pd.DataFrame, base: pd.DataFrame | None) -> dict[str, float]:
    """Each metric's columns for one cell. ``own`` and ``base`` hold finished runs, seeds in the index."""
    base = own.iloc[:0] if base is None else base
    seeds = own.index.intersection(base.index)
    ours, theirs = own.loc[seeds].to_numpy(), base.loc[seeds].to_numpy()
    row: dict[str, float] = {}
    for position, metric in enumerate(own.columns):
        a, b = ours[:, position], theirs[:, position]
        both = ~(np.isnan(a) | np.isnan(b))
        for name, value in t_interval(own[metric].dropna().to_numpy())._asdict().items():
            row[f"{metric}_{name}"] = value
        diff, low, high, p, n = paired(a[both], b[both])
        row |= {f"{metric}_diff": diff, f"{metric}_diff_low": low, f"{metric}_diff_high": high}
        row |= {f"{metric}_diff_n": n, f"{metric}_p": p, f"{metric}_p_holm": np.nan}
    return row
