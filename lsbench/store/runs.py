"""The run store: one folder a run with one immutable record in it.

A run is finished when its result.json is there; that file is written last and appears in one piece. Nothing
is ever appended to: tables are derived from the records each time.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard
from zipfile import BadZipFile

from lsbench.config import Name, Run, to_yaml
from lsbench.errors import StorageError
from lsbench.store.files import to_json, write_atomically
from lsbench.store.provenance import provenance
from lsbench.terms import COLUMNS, Outcome

if TYPE_CHECKING:
    import numpy as np

Record = dict[str, Any]
FINISHED = ("done", "diverged")
AGAIN = "delete the run's folder to have it trained again"  # the remedy for a damaged file of a run
# The keys that every record has beside COLUMNS, and those that a done run has.
FURTHER_COLUMNS = ("cell", "temperature_flag", "diverged_step")
MEASURED_COLUMNS = ("select_nll_ts", "test_confidence_wrong", "test_ece_floor", "test_ece_floor_ts")
# The columns that are a run's settings as they stand.
OWN_COLUMNS = {f.name for f in fields(Run)}.intersection(COLUMNS) - {"data", "model", "method", "device"}


def run_dir(results_dir: str | Path, run_id: str) -> Path:
    return Path(results_dir) / "runs" / run_id


def read(results_dir: str | Path, run_id: str) -> Record | None:
    """The run's record, or None where there is none. Raises `StorageError` for one that does not parse."""
    path = run_dir(results_dir, run_id) / "result.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: {error}; {AGAIN}") from error
    if not _is_record(record, run_id):
        raise StorageError(f"{path}: not a valid run record of lsbench 0.1.0 or later; {AGAIN}")
    return record


def read_all(results_dir: str | Path, run_ids: Iterable[str]) -> tuple[list[Record], list[str]]:
    """The records of these runs, and which of them have none."""
    found = {run_id: read(results_dir, run_id) for run_id in run_ids}
    records = [record for record in found.values() if record is not None]
    return records, [run_id for run_id, record in found.items() if record is None]


class RunKey(NamedTuple):
    """What tells a stored run from all others where its settings are known: the store, the cell, the seed."""

    results_dir: str
    cell: str
    seed: int


def find_records(keys: Iterable[RunKey | None]) -> dict[RunKey, Record]:
    """The stored record of each key that has one, whatever its status."""
    wanted = {key for key in keys if key}
    records = {}
    for results_dir, seed in {(key.results_dir, key.seed) for key in wanted}:
        for path in record_files(results_dir, seed):
            key = _key_of(results_dir, path)
            if key in wanted and (record := read(results_dir, path.parent.name)):
                records[key] = record
    return records


# The keys of records that have been read, by the record's file: a run's name stands for all its settings. A
# sweep asks for every stack, and its store may hold thousands of runs.
_keys: dict[Path, RunKey] = {}


def _key_of(results_dir: str, path: Path) -> RunKey | None:
    if path not in _keys and (record := read(results_dir, path.parent.name)):
        _keys[path] = RunKey(results_dir, record["cell"], record["seed"])
    return _keys.get(path)


def record_files(results_dir: str | Path, seed: int | None = None) -> list[Path]:
    """The result.json of every stored run, or of those with ``seed``, sorted by name."""
    pattern = "*" if seed is None else f"*-s{seed}-*"
    return sorted(run_dir(results_dir, "").glob(f"{pattern}/result.json"))


def read_predictions(folder: Path) -> tuple["np.ndarray[Any, Any]", ...]:
    """The logits float32 [N,K] and labels int64 [N] that the run in ``folder`` gave on its test split.

    Raises `StorageError` where they are missing or damaged.
    """
    import numpy as np

    path = folder / "predictions.npz"
    try:
        with path.open("rb") as file, np.load(file) as stored:
            logits, labels = stored["test_logits"], stored["test_labels"]
        if logits.shape[:-1] != labels.shape:
            raise ValueError("logits and labels differ in number")
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise StorageError(f"{path}: {error}; {AGAIN}") from error
    return logits, labels


def _is_record(content: object, run_id: str) -> TypeGuard[Record]:
    """True if ``content`` has every key that a record of RESULT_VERSION has, with values of the right types:
    whoever reads a record relies on them, and its run, data and model become parts of paths."""
    if not isinstance(content, dict) or not content.keys() >= {*COLUMNS, *FURTHER_COLUMNS}:
        return False
    if content["status"] == "done" and not content.keys() >= set(MEASURED_COLUMNS):
        return False
    names = content["run"] == run_id and all(content[name] in Name() for name in ("data", "model"))
    texts = all(isinstance(content[name], str) for name in ("method", "cell"))
    numbers = (value for name, value in content.items() if name.startswith(("test_", "train_", "select_")))
    measured = all(isinstance(value, int | float | None) for value in numbers)
    return names and texts and measured and content["status"] in (*FINISHED, "failed")


def is_finished(record: Record | None) -> bool:
    """Whether the run need not be trained again; a failed one is tried anew."""
    return record is not None and record["status"] in FINISHED


def write(results_dir: str | Path, run: Run, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """Store a run, its record last, and return the record. Raises `StorageError` where that fails."""
    run_id = run.run_id(data_sha256)
    folder = run_dir(results_dir, run_id)
    write_atomically(folder / "config.yaml", to_yaml(run).encode())
    if outcome.history:
        write_atomically(folder / "history.csv", _csv(outcome.history))
    if outcome.reliability:
        write_atomically(folder / "reliability.csv", _csv(outcome.reliability))
    if outcome.predictions:
        write_atomically(folder / "predictions.npz", _npz(outcome.predictions))
    if outcome.weights:
        write_atomically(folder / "model.pt", _pt(outcome.weights))
    record = _record(run, run_id, data_sha256, outcome, device)
    write_atomically(folder / "result.json", to_json(record))
    return record


def commit_staged(results_dir: str | Path, staged: Path) -> None:
    """Move the runs of the small store ``staged`` into this one, each in one step, but for those that are
    finished here already. May be cut off anywhere and called again."""
    for folder in sorted(run_dir(staged, "").glob("*")):
        home = run_dir(results_dir, folder.name)
        if is_finished(read(results_dir, folder.name)):
            continue
        if home.exists():  # of an attempt that failed
            shutil.rmtree(home)
        folder.rename(home)


def _record(run: Run, run_id: str, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """The run's row: every column, null where the outcome has no value, further keys at the end."""
    values = {
        "run": run_id,
        "status": outcome.status,
        "data": run.data.name,
        "model": run.model_name,
        "method": run.method_name,
        **{name: getattr(run, name) for name in OWN_COLUMNS},
        **outcome.columns,
        "device": device,
        "data_sha256": data_sha256,
        **provenance(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": outcome.error,
    }
    further = {"cell": run.cell_id(data_sha256), "temperature_flag": "", "diverged_step": None}
    knobs = run.method.knobs | _of_a_teacher(run)
    return dict.fromkeys(COLUMNS) | further | knobs | values | _other_settings(run)


def _of_a_teacher(run: Run) -> Record:
    """Who taught a run, where somebody did; the temperature is a column as a knob is."""
    method = run.method
    if method.teacher is None:
        return {}
    return {"teacher_temperature": method.teacher_temperature, "method.teacher": method.teacher}


def _other_settings(run: Run) -> Record:
    """The settings that have no column in COLUMNS, as data.shift, model.hidden, optim.momentum."""
    flat = {}
    for group in ("data", "model", "optim"):
        for name, value in run.settings[group].items():
            if name != "_target_" and (group, name) not in (("data", "name"), ("model", "name")):
                flat[f"{group}.{name}"] = json.dumps(value) if isinstance(value, list | dict) else value
    return flat


def check_writable(results_dir: str | Path) -> None:
    """Raise `StorageError` now rather than after hours of training."""
    probe = Path(results_dir) / "runs" / f".writable-{os.getpid()}"
    write_atomically(probe, b"")
    probe.unlink()


def _csv(rows: Sequence[Mapping[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _npz(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _pt(weights: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(weights), buffer)
    return buffer.getvalue()
