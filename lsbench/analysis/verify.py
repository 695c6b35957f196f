"""Verification of stored runs: unchanged files, and numbers that follow from the stored predictions."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsbench.analysis.traces import RELIABILITY, Values, read_table
from lsbench.store.checksums import RECORD
from lsbench.store.runs import DamagedRunError, Record, run_dir
from lsbench.store.verification import changed_files
from lsbench.terms import DONE

if TYPE_CHECKING:
    from torch import Tensor

PREDICTIONS = "predictions.npz"
# Relative, or absolute below 1. Rebuilt numbers differ by rounding, and by the end of the search for the
# temperature.
TOLERANCE = 1e-7
# Predictions are stored in single precision, which is less than a run in double precision was measured with.
TOLERANCE_FP64 = 1e-4


def verify_run(results_dir: str | Path, record: Record) -> None:
    """Raise `DamagedRunError`, which names every fault, if a file of a stored run is missing or has changed,
    or if a number in its record or in reliability.csv is not that of its predictions.

    Numbers are rebuilt for done runs with predictions: every metric of the test split before and after
    temperature scaling, and the temperature. Those of the other splits have checksums alone.
    """
    run = record["run"]
    faults = changed_files(results_dir, run)
    if PREDICTIONS not in faults and record["status"] == DONE:
        for file, reason in _wrong_numbers(Path(results_dir), record, set(faults)):
            faults[file] = f"{faults[file]}: {reason}" if file in faults else reason
    if faults:
        (first, reason), *others = faults.items()
        text = "; ".join([reason, *(f"{file} {other}" for file, other in others)])
        raise DamagedRunError(run_dir(results_dir, run) / first, text)


def _wrong_numbers(results_dir: Path, record: Record, changed: Collection[str]) -> Iterator[tuple[str, str]]:
    """The files with numbers that differ from those of the predictions, and what differs. Of the ``changed``
    files, reliability.csv is not read."""
    path = run_dir(results_dir, record["run"]) / PREDICTIONS
    if not path.exists():
        return
    try:
        columns, bins = rebuilt(path)
    except Exception as error:  # of any type: the bytes may be anything
        yield PREDICTIONS, f"cannot be read ({error or type(error).__name__})"
        return
    double = record["precision"] == "fp64"
    tolerance = TOLERANCE_FP64 if double else TOLERANCE
    if double:  # in single precision a row may be in another bin
        columns = {name: value for name, value in columns.items() if "ece" not in name and "mce" not in name}
    wrong = [
        f"{name} is {record[name]}, predictions give {value}"
        for name, value in columns.items()
        if name in record and not _equal(record[name], value, tolerance)
    ]
    if wrong:
        yield RECORD, ", ".join(wrong)
    if RELIABILITY in changed:
        return
    table = read_table(results_dir, record["run"], RELIABILITY)
    if table and not double and not _close(table[1], bins, tolerance):
        yield RELIABILITY, "is not that of the predictions"


def rebuilt(path: Path) -> tuple[dict[str, Any], Values]:
    """The columns of a record, and the rows of reliability.csv, from predictions.npz. Raises anything if the
    file is damaged."""
    import torch

    from lsbench import metrics
    from lsbench.calibration import reliability
    from lsbench.calibration.temperature import fit_temperature

    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: torch.from_numpy(stored[name])[None] for name in stored.files}
    test, calibrate = (_split(arrays, name) for name in ("test", "calibrate"))
    temperature = fit_temperature(*calibrate)
    columns: dict[str, Any] = {
        name: values.item() for name, values in metrics.test_columns(*test, temperature).items()
    }
    columns |= {"temperature_flag": temperature.flag[0], "n_test": test[1].shape[1]}
    [bins] = reliability.tables(*test, temperature)
    return columns, np.array([list(row.values()) for row in bins])


def _split(arrays: "dict[str, Tensor]", name: str) -> "tuple[Tensor, Tensor]":
    """Logits [1,N,K] and labels int64 [1,N]."""
    return arrays[f"{name}_logits"], arrays[f"{name}_labels"].long()


def _close(stored: Values, values: Values, tolerance: float) -> bool:
    return bool(stored.shape == values.shape and np.allclose(stored, values, tolerance, tolerance))


def _equal(stored: Any, value: Any, tolerance: float) -> bool:
    if isinstance(value, str):
        return bool(stored == value)
    if stored is None or math.isnan(stored):  # in JSON NaN is null
        return not math.isfinite(value)
    return math.isclose(stored, value, rel_tol=tolerance, abs_tol=tolerance)
