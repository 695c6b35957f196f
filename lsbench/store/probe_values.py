"""Values of a probe, stored beside the run in probes/NAME.json with their own checksum."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsbench.errors import StorageError
from lsbench.store.checksums import KEY, checksum
from lsbench.store.files import to_json, write_atomically
from lsbench.store.links import check_links
from lsbench.store.runs import run_dir

KEYS = {"version", "values", "lsbench", "torch", "device"}


def read(results_dir: str | Path, run_id: str, name: str) -> Any:
    """The content that `write` stored; None if it is missing, damaged or changed.

    Raises `StorageError` if the file cannot be read, or a link leads out of ``results_dir``.
    """
    path = probe_file(results_dir, run_id, name)
    check_links(results_dir, path.parent)
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    if not isinstance(content, dict):
        return None
    stored = content.pop(KEY, None)
    if stored is None:  # of lsbench 0.2 or earlier, unless it is damaged
        return content if content.keys() <= KEYS else None
    return content if stored == checksum(to_json(content)) else None


def write(results_dir: str | Path, run_id: str, name: str, content: Mapping[str, Any]) -> None:
    """Store the values of probe ``name`` beside the run. Raises `StorageError` if that fails."""
    sealed = {**content, KEY: checksum(to_json(content))}
    write_atomically(probe_file(results_dir, run_id, name), to_json(sealed))


def probe_file(results_dir: str | Path, run_id: str, name: str) -> Path:
    return run_dir(results_dir, run_id) / "probes" / f"{name}.json"
