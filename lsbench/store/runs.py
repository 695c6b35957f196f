"""The run store: one folder per run, with one immutable record in it.

A run is stored once its result.json exists; that file is written last, in one step. Nothing is ever
appended to a file: tables are derived from the records each time.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from lsbench.config import Name, Run, to_yaml
from lsbench.errors import StorageError
from lsbench.store.files import to_json, write_atomically
from lsbench.store.provenance import provenance
from lsbench.terms import COLUMNS, DIVERGED, DONE, FAILED, Outcome

Record = dict[str, Any]
FINAL = (DONE, DIVERGED)
REMEDY = "delete the run's folder to have it trained again"  # if a file of the run is damaged
# The keys that every record has beside COLUMNS, and those that a done run has.
FURTHER_COLUMNS = ("cell", "temperature_flag", "diverged_step")
MEASURED_COLUMNS = ("select_nll_ts", "test_confidence_wrong", "test_ece_floor", "test_ece_floor_ts")
# The columns that hold a setting of the same name.
SETTING_COLUMNS = {f.name for f in fields(Run)}.intersection(COLUMNS) - {"data", "model", "method", "device"}


def run_dir(results_dir: str | Path, run_id: str) -> Path:
    return Path(results_dir) / "runs" / run_id


def read(results_dir: str | Path, run_id: str) -> Record | None:
    """The run's record, or None if there is none. Raises `StorageError` for one that is damaged."""
    path = run_dir(results_dir, run_id) / "result.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: {error}; {REMEDY}") from error
    if not _is_record(record, run_id):
        raise StorageError(f"{path}: not a valid run record of lsbench 0.1.0 or later; {REMEDY}")
    return record


def read_all(results_dir: str | Path, run_ids: Iterable[str]) -> tuple[list[Record], list[str]]:
    """The records of these runs, and the IDs of those without a record."""
    records = {run_id: read(results_dir, run_id) for run_id in run_ids}
    missing = [run_id for run_id, record in records.items() if record is None]
    return [record for record in records.values() if record is not None], missing


class RunKey(NamedTuple):
    """The identity of a stored run for someone who knows its settings: the store, the cell, the seed."""

    results_dir: str
    cell: str
    seed: int


def find_records(keys: Iterable[RunKey | None]) -> dict[RunKey, Record]:
    """The stored record of each key that has one, whatever its status."""
    wanted = {key for key in keys if key}
    records = {}
    for results_dir, seed in {(key.results_dir, key.seed) for key in wanted}:
        for path in record_files(results_dir, seed):
            run_id = path.parent.name
            with suppress(LookupError):  # removed since it was listed
                key = _stored_key(results_dir, run_id)
                if key in wanted and (record := read(results_dir, run_id)):
                    records[key] = record
    return records


@cache
def _stored_key(results_dir: str, run_id: str) -> RunKey:
    """The key of a stored run. It is cached since each stack of a sweep asks for it and a store may hold
    thousands of runs; it never changes, since the run's name has a hash of all its settings.

    Raises LookupError if there is no such run.
    """
    record = read(results_dir, run_id)
    if record is None:
        raise LookupError(run_id)
    return RunKey(results_dir, record["cell"], record["seed"])


def record_files(results_dir: str | Path, seed: int | None = None) -> list[Path]:
    """The result.json of every stored run, or of those with ``seed``, sorted by name."""
    pattern = "*" if seed is None else f"*-s{seed}-*"
    return sorted(run_dir(results_dir, "").glob(f"{pattern}/result.json"))


def _is_record(content: object, run_id: str) -> TypeGuard[Record]:
    """True if ``content`` has every key that a record of RESULT_VERSION has, with values of the right types:
    whoever reads a record relies on them, and its run, data and model become parts of paths."""
    if not isinstance(content, dict) or not content.keys() >= {*COLUMNS, *FURTHER_COLUMNS}:
        return False
    if content["status"] == DONE and not content.keys() >= set(MEASURED_COLUMNS):
        return False
    names = content["run"] == run_id and all(content[name] in Name() for name in ("data", "model"))
    texts = all(isinstance(content[name], str) for name in ("method", "cell"))
    numbers = (value for name, value in content.items() if name.startswith(("test_", "train_", "select_")))
    measured = all(isinstance(value, int | float | None) for value in numbers)
    return names and texts and measured and content["status"] in (*FINAL, FAILED)


def is_final(record: Record | None) -> bool:
    """Return whether the run is final (done or diverged), so that it is not trained again."""
    return record is not None and record["status"] in FINAL


def write(results_dir: str | Path, run: Run, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """Store a run, its record last, and return the record. Raises `StorageError` if that fails."""
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
    """Move the runs of the small store ``staged`` into this one, each in one step, except for those that are
    final already. It may be interrupted anywhere and called again."""
    for folder in sorted(run_dir(staged, "").glob("*")):
        destination = run_dir(results_dir, folder.name)
        if is_final(read(results_dir, folder.name)):
            continue
        if destination.exists():  # from an attempt that failed
            shutil.rmtree(destination)
        folder.rename(destination)


def _record(run: Run, run_id: str, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """The run's record: every column, null if the outcome has no value for it, then further keys."""
    values = {
        "run": run_id,
        "status": outcome.status,
        "data": run.data.name,
        "model": run.model_name,
        "method": run.method_name,
        **{name: getattr(run, name) for name in SETTING_COLUMNS},
        **outcome.columns,
        "device": device,
        "data_sha256": data_sha256,
        **provenance(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": outcome.error,
    }
    further = {"cell": run.cell_id(data_sha256), "temperature_flag": "", "diverged_step": None}
    knobs = run.method.knobs | _teacher_columns(run)
    return dict.fromkeys(COLUMNS) | further | knobs | values | _other_settings(run)


def _teacher_columns(run: Run) -> Record:
    """The teacher's cell and its temperature, if the run has a teacher."""
    method = run.method
    if method.teacher is None:
        return {}
    return {"teacher_temperature": method.teacher_temperature, "method.teacher": method.teacher}


def _other_settings(run: Run) -> Record:
    """The settings without a column in COLUMNS, such as data.shift, model.hidden, optim.momentum."""
    flat = {}
    for group in ("data", "model", "optim"):
        for name, value in run.settings[group].items():
            if name != "_target_" and (group, name) not in (("data", "name"), ("model", "name")):
                flat[f"{group}.{name}"] = json.dumps(value) if isinstance(value, list | dict) else value
    return flat


def read_probe(results_dir: str | Path, run_id: str, name: str) -> Any:
    """The content that `write_probe` stored; None if it is missing or damaged. Raises `StorageError` if the
    file cannot be read."""
    path = _probe_file(results_dir, run_id, name)
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error


def write_probe(results_dir: str | Path, run_id: str, name: str, content: Mapping[str, Any]) -> None:
    """Store the values of probe ``name`` beside the run. Raises `StorageError` if that fails."""
    write_atomically(_probe_file(results_dir, run_id, name), to_json(content))


def _probe_file(results_dir: str | Path, run_id: str, name: str) -> Path:
    return run_dir(results_dir, run_id) / "probes" / f"{name}.json"


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
