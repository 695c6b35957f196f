"""Comparison of the files of a stored run with the checksums in its record."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lsbench.store import checksums, probe_values, runs
from lsbench.store.links import is_plain_name

MISSING = "is missing"
FILES = ("config.yaml", "history.csv", "reliability.csv", "predictions.npz", "model.pt")


def has_checksums(results_dir: str | Path, run_id: str) -> bool:
    """False for a run that lsbench 0.2 or earlier stored."""
    return runs.read_checksums(results_dir, run_id) is not None


def changed_files(results_dir: str | Path, run_id: str) -> dict[str, str]:
    """The files of a run that are missing or have changed since they were stored, each with the reason.

    For a run without checksums that is known of its probes alone. Raises `runs.DamagedRunError` for a record
    that cannot be read.
    """
    folder = runs.run_dir(results_dir, run_id)
    changed = dict(_changed_probes(results_dir, run_id))
    record, stored = runs.read(results_dir, run_id), runs.read_checksums(results_dir, run_id)
    if record is None or stored is None:
        return changed
    if not checksums.is_unchanged(record, stored):
        changed[checksums.RECORD] = runs.CHANGED
    for name in dict.fromkeys([*stored, *FILES]):
        path = folder / name
        if name == checksums.RECORD or (name not in stored and not path.exists()):
            continue
        if not is_plain_name(name) or not path.is_file():
            changed[name] = MISSING
        elif _checksum(path) != stored.get(name):
            changed[name] = runs.CHANGED
    return changed


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise runs.DamagedRunError(path, f"cannot be read ({error.strerror})") from error


def _changed_probes(results_dir: str | Path, run_id: str) -> Iterator[tuple[str, str]]:
    for path in sorted(probe_values.probe_file(results_dir, run_id, "").parent.glob("[!.]*.json")):
        if probe_values.read(results_dir, run_id, path.stem) is None:
            yield f"probes/{path.name}", f"{runs.CHANGED} (lsbench probe measures it again)"
