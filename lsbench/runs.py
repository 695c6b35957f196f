"""The run store: one folder a run, one immutable record in it, and the lists of runs that make up sweeps.

A run is finished when its result.json is there; that file is written last and appears in one piece. Nothing
is ever appended to: tables are derived from the records each time.
"""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Iterator

from lsbench.config import Run, to_yaml
from lsbench.terms import Outcome, StorageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Record = dict[str, Any]


def run_dir(results_dir: str | Path, run_id: str) -> Path:
    return Path(results_dir) / "runs" / run_id


def read(results_dir: str | Path, run_id: str) -> Record | None:
    """The run's record, or None where there is none. Raises `StorageError` for one that does not parse."""
    path = run_dir(results_dir, run_id) / "result.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: cannot be read ({error}); delete it and the run is trained again") from None
