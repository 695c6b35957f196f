"""What the runs' folders hold beside their records, by cell: predictions in bins, and training by epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsbench.runs import AGAIN, read_predictions, run_dir
from lsbench.terms import StorageError

NAMES = ["cell", "runs"]  # of a table of nothing
Values = np.ndarray[Any, np.dtype[np.float64]]
Table = tuple[tuple[str, ...], Values]  # names, and numbers [rows, names]


def bins(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The bins of reliability.csv added up over the finished ``runs`` of each cell: a row per ``cell`` and
    bin with `reliability.COLUMNS` and ``runs``, how many are in the sums. A run that was stored without that
    file is counted again from its predictions; one without those is left out.

    Raises `StorageError` for a file that does not parse.
    """

    def read(folder: Path, temperature: float) -> Table | None:
        return _table(folder / "reliability.csv") or _counted(folder, temperature)

    found = _gathered(results_dir, runs, read)
    if found.empty:
        return found
    grouped = found.groupby(["cell", "lower", "upper"], sort=False)
    return grouped.sum().assign(runs=grouped.size()).reset_index()


def epochs(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The columns of history.csv averaged over the finished ``runs`` of each cell that have one: a row per
    ``cell`` and ``epoch`` with ``runs``. Raises `StorageError` for a file that does not parse."""
    found = _gathered(results_dir, runs, lambda folder, _: _table(folder / "history.csv"))
    if found.empty:
        return found
    grouped = found.groupby(["cell", "epoch"], sort=False)
    return grouped.mean().assign(runs=grouped.size()).reset_index()


def _gathered(
    results_dir: Path, runs: pd.DataFrame, read: Callable[[Path, float], Table | None]
) -> pd.DataFrame:
    """What ``read`` finds in the folder of each finished run, one below the other, behind the run's cell."""
    alike: dict[tuple[str, ...], tuple[list[str], list[Values]]] = {}
    done = runs[runs["status"] == "done"].reindex(columns=["run", "cell", "temperature"])
    for run, cell, temperature in zip(done["run"], done["cell"], done["temperature"], strict=True):
        table = read(run_dir(results_dir, run), temperature)
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


def _counted(folder: Path, temperature: float) -> Table | None:
    """The bins of a run's stored predictions, for runs that were stored before bins were."""
    if not (folder / "predictions.npz").exists():
        return None
    import torch

    from lsbench import calibrate, reliability

    logits, labels = map(torch.from_numpy, read_predictions(folder))
    fitted = calibrate.Temperature(torch.tensor([temperature], dtype=torch.float64), [""])
    [rows] = reliability.tables(logits[None], labels, fitted)
    return reliability.COLUMNS, np.array([list(row.values()) for row in rows])
