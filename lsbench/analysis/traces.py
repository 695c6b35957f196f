"""Confidence bins and training histories of stored runs, aggregated by cell."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsbench.errors import StorageError
from lsbench.store.runs import REMEDY, run_dir
from lsbench.terms import DONE

NO_ROWS = ["cell", "runs"]  # the columns of an empty table
Values = np.ndarray[Any, np.dtype[np.float64]]
Table = tuple[tuple[str, ...], Values]  # column names, and numbers [rows, columns]


def bins(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The bins of reliability.csv summed over the finished ``runs`` of each cell: a row per ``cell`` and bin
    with `reliability.COLUMNS` and ``runs``, the number of runs in the sums.

    Raises `StorageError` for a file that does not parse.
    """
    rows = _concatenated(results_dir, runs, "reliability.csv")
    if rows.empty:
        return rows
    grouped = rows.groupby(["cell", "lower", "upper"], sort=False)
    return grouped.sum().assign(runs=grouped.size()).reset_index()


def epochs(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The columns of history.csv averaged over the finished ``runs`` of each cell that have one: a row per
    ``cell`` and ``epoch`` with ``runs``. Raises `StorageError` for a file that does not parse."""
    rows = _concatenated(results_dir, runs, "history.csv")
    if rows.empty:
        return rows
    grouped = rows.groupby(["cell", "epoch"], sort=False)
    return grouped.mean().assign(runs=grouped.size()).reset_index()


def _concatenated(results_dir: Path, runs: pd.DataFrame, file: str) -> pd.DataFrame:
    """The rows of ``file`` of all finished runs, with the cell of each run as the first column."""
    by_header: dict[tuple[str, ...], tuple[list[str], list[Values]]] = {}
    done = runs[runs["status"] == DONE].reindex(columns=["run", "cell"])
    for run, cell in zip(done["run"], done["cell"], strict=True):
        table = _table(run_dir(results_dir, run) / file)
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


def _table(path: Path) -> Table | None:
    """A CSV of numbers; None if there is no such file. Reads a thousand files in a tenth of a second."""
    try:
        header, *lines = path.read_text().split()
        values = np.array([line.split(",") for line in lines], dtype=np.float64)
        if values.shape != (len(lines), header.count(",") + 1):
            raise ValueError("its lines differ in length")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: {error}; {REMEDY}") from error
    return tuple(header.split(",")), values
