"""What the runs' folders hold beside their records, by cell: predictions in bins, and training by epoch."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsbench.errors import StorageError
from lsbench.store.runs import AGAIN, run_dir

NAMES = ["cell", "runs"]  # of a table of nothing
Values = np.ndarray[Any, np.dtype[np.float64]]
Table = tuple[tuple[str, ...], Values]  # names, and numbers [rows, names]


def bins(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The bins of reliability.csv added up over the finished ``runs`` of each cell: a row per ``cell`` and
    bin with `reliability.COLUMNS` and ``runs``, how many are in the sums.
    Raises `StorageError` for a file that does not parse.
    """
    found = _gathered(results_dir, runs, "reliability.csv")
    if found.empty:
        return found
    grouped = found.groupby(["cell", "lower", "upper"], sort=False)
    return grouped.sum().assign(runs=grouped.size()).reset_index()


def epochs(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The columns of history.csv averaged over the finished ``runs`` of each cell that have one: a row per
    ``cell`` and ``epoch`` with ``runs``. Raises `StorageError` for a file that does not parse."""
    found = _gathered(results_dir, runs, "history.csv")
    if found.empty:
        return found
    grouped = found.groupby(["cell", "epoch"], sort=False)
    return grouped.mean().assign(runs=grouped.size()).reset_index()


def _gathered(results_dir: Path, runs: pd.DataFrame, file: str) -> pd.DataFrame:
    """``file`` of each finished run's folder, one below the other, behind the run's cell."""
    alike: dict[tuple[str, ...], tuple[list[str], list[Values]]] = {}
    done = runs[runs["status"] == "done"].reindex(columns=["run", "cell"])
    for run, cell in zip(done["run"], done["cell"], strict=True):
        table = _table(run_dir(results_dir, run) / file)
        if table is not None:
            cells, values = alike.setdefault(table[0], ([], []))
            cells += [cell] * len(table[1])
            values.append(table[1])
    frames = []
    for names, (cells, values) in alike.items():
        frame = pd.DataFrame(np.concatenate(values), columns=list(names))
        frame.insert(0, "cell", cells)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=NAMES)


def _table(path: Path) -> Table | None:
    """A CSV of numbers; None where there is no such file. A thousand of them in a tenth of a second."""
    try:
        header, *lines = path.read_text().split()
        values = np.array([line.split(",") for line in lines], dtype=np.float64)
        if values.shape != (len(lines), header.count(",") + 1):
            raise ValueError("its lines differ in length")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: {error}; {AGAIN}") from error
    return tuple(header.split(",")), values
