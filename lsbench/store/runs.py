"""The run store: one folder per run, with one immutable record in it.

A run is stored once its result.json exists; that file is written last, in one step. Nothing is ever
appended to a file: tables are derived from the records each time.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lsbench.config import Run, to_yaml
from lsbench.errors import StorageError
from lsbench.store import checksums, records
from lsbench.store.files import to_json, write_atomically
from lsbench.store.links import check_links, is_plain_name
from lsbench.terms import DIVERGED, DONE, Outcome

Record = records.Record
FINAL = (DONE, DIVERGED)
REMEDY = "delete the run's folder to have it trained again"  # if a file of the run is damaged
CHANGED = "has changed since it was stored"


class DamagedRunError(StorageError):
    """A file in the folder of a stored run that cannot be read, or that has changed since it was stored."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(path, str(reason))
        self.run_id = path.parent.name

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path}: {reason}; {REMEDY}"


def run_dir(results_dir: str | Path, run_id: str) -> Path:
    return Path(results_dir) / "runs" / run_id


def read(results_dir: str | Path, run_id: str) -> Record | None:
    """The run's record, or None if there is none. Raises `DamagedRunError` for one that is damaged, and
    `StorageError` if a link in the run's folder leads out of ``results_dir``."""
    content = _read_result(results_dir, run_id)
    return None if content is None else content[0]


def _read_result(results_dir: str | Path, run_id: str) -> tuple[Record, checksums.Checksums | None] | None:
    """A run's record with the checksums of its files, None without checksums; None if there is no record."""
    if not is_plain_name(run_id):
        return None
    path = run_dir(results_dir, run_id) / checksums.RECORD
    check_links(results_dir, path.parent)
    try:
        record, stored = checksums.split(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRunError(path, error) from error
    if not records.is_record(record, run_id):
        raise DamagedRunError(path, "not a valid run record of lsbench 0.1.0 or later")
    return record, stored


def read_checksums(results_dir: str | Path, run_id: str) -> checksums.Checksums | None:
    """The checksums of the files of a run by name; None if its record has none. Raises as `read` does."""
    result = _read_result(results_dir, run_id)
    return result[1] if result else None


class StoredRuns(NamedTuple):
    """The records of runs, the IDs of those without one, and for each damaged one the reason by its ID."""

    records: list[Record]
    missing: list[str]
    damaged: dict[str, str]


def read_all(results_dir: str | Path, run_ids: Iterable[str]) -> StoredRuns:
    """The records of these runs. Raises `StorageError` for a link that leads out of ``results_dir``."""
    stored = StoredRuns([], [], {})
    for run_id in run_ids:
        try:
            record = read(results_dir, run_id)
        except DamagedRunError as error:
            stored.damaged[run_id] = str(error)
            continue
        if record is None:
            stored.missing.append(run_id)
        else:
            stored.records.append(record)
    return stored


def read_file(results_dir: str | Path, run_id: str, name: str) -> bytes:
    """The content of a file of a stored run. Raises `DamagedRunError` if it is missing, or if it has changed
    since it was stored; a record without checksums, of lsbench 0.2 or earlier, cannot show that."""
    stored = read_checksums(results_dir, run_id)
    path = run_dir(results_dir, run_id) / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedRunError(path, f"cannot be read ({error.strerror})") from error
    if stored is not None and checksums.checksum(content) != stored.get(name):
        raise DamagedRunError(path, CHANGED)
    return content


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


def is_final(record: Record | None) -> bool:
    """Return whether the run is final (done or diverged), so that it is not trained again."""
    return record is not None and record["status"] in FINAL


def write(results_dir: str | Path, run: Run, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """Store a run, its record last, and return the record. Raises `StorageError` if that fails."""
    run_id = run.run_id(data_sha256)
    folder = run_dir(results_dir, run_id)
    stored = {}
    for name, content in _files(run, outcome):
        write_atomically(folder / name, content)
        stored[name] = checksums.checksum(content)
    record = records.make_record(run, run_id, data_sha256, outcome, device)
    write_atomically(folder / checksums.RECORD, to_json(checksums.with_checksums(record, stored)))
    return record


def _files(run: Run, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
    """The files of a run beside its record, one at a time."""
    yield "config.yaml", to_yaml(run).encode()
    if outcome.history:
        yield "history.csv", _csv(outcome.history)
    if outcome.reliability:
        yield "reliability.csv", _csv(outcome.reliability)
    if outcome.predictions:
        yield "predictions.npz", _npz(outcome.predictions)
    if outcome.weights:
        yield "model.pt", _pt(outcome.weights)


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
