"""Confidence bins and training histories of stored runs, aggregated by cell."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsbench.store.runs import DamagedRunError, run_dir
from lsbench.terms import DONE

HISTORY, RELIABILITY = "history.csv", "reliability.csv"
# The columns that every such file has.
KEYS = {
    HISTORY: ("epoch",),
    RELIABILITY: ("lower", "upper", "n", "confidence", "correct", "n_ts", "confidence_ts", "correct_ts"),
}
NO_ROWS = ["cell", "runs"]  # the columns of an empty table
Values = np.ndarray[Any, np.dtype[np.float64]]
Table = tuple[tuple[str, ...], Values]  # column names, and numbers [rows, columns]


def bins(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The bins of reliability.csv summed over the finished ``runs`` of each cell: a row per ``cell`` and bin
    with `reliability.COLUMNS` and ``runs``, the number of runs in the sums.

    Raises `DamagedRunError` for a file that does not parse.
    """
    rows = _concatenated(results_dir, runs, RELIABILITY)
    if rows.empty:
        return rows
    grouped = rows.groupby(["cell", "lower", "upper"], sort=False)
    return grouped.sum().assign(runs=grouped.size()).reset_index()


def epochs(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The columns of history.csv averaged over the finished ``runs`` of each cell that have one: a row per
    ``cell`` and ``epoch`` with ``runs``. Raises `DamagedRunError` for a file that does not parse."""
    rows = _concatenated(results_dir, runs, HISTORY)
    if rows.empty:
        return rows
    grouped = rows.groupby(["cell", "epoch"], sort=False)
    return grouped.mean().assign(runs=grouped.size()).reset_index()


def _concatenated(results_dir: Path, runs: pd.DataFrame, file: str) -> pd.DataFrame:
    """The rows of ``file`` of all finished runs, with the cell of each run as the first column."""
    by_header: dict[tuple[str, ...], tuple[list[str], list[Values]]] = {}
    done = runs[runs["status"] == DONE].reindex(columns=["run", "cell"])
    for run, cell in zip(done["run"], done["cell"], strict=True):
        table = read_table(results_dir, run, file)
        if table is not None:
            cells, values = by_header.setdefault(table[0], ([], []))
            cells += [cell] * len(table[1])
            values.append(table[1])
    frames = []
    for names, (cells, values) in by_header.items():
        frame = pd.DataFrame(np.concatenate(values), columns=list(names))
        frame.insert(0, "cell", cells)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=NO_ROWS)


def read_table(results_dir: str | Path, run: str, file: str) -> Table | None:
    """`HISTORY` or `RELIABILITY` of a run; None if there is no such file. Reads a thousand files in a tenth
    of a second. Raises `DamagedRunError` for one that does not parse or lacks a column of `KEYS`."""
    path = run_dir(results_dir, run) / file
    try:
        text = path.read_text(encoding="utf-8")
        header, *lines = text.split()
        if not lines or not text.endswith("\n"):
            raise ValueError("is truncated")
        names = tuple(header.split(","))
        rows = [line.split(",") for line in lines]
        if any(len(row) != len(names) for row in rows):
            raise ValueError("its lines differ in length")
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
        if not set(KEYS[file]) <= set(names):
            raise ValueError(f"its columns are not {', '.join(KEYS[file])}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedRunError(path, error) from error
    return names, values
