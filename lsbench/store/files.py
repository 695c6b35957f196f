"""Files that appear in one piece, JSON for them, and folders in which one process works at a time."""

import fcntl
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"[=+\-@\t\r]")  # the first character of a cell that a spreadsheet evaluates


def write_atomically(path: Path, content: bytes) -> None:
    """Make ``path`` hold ``content`` in one step: a reader sees the old file, the new one, or none.

    Raises `StorageError` naming the path where the folder cannot be made or written, or the disk is full.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, where there is one. Raises `StorageError` where that cannot be done."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed ({error.strerror})") from error


def to_json(content: Any) -> bytes:
    """JSON as the standard has it (RFC 8259), which knows no NaN: what is not finite becomes null."""
    return (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_csv(frame: "pd.DataFrame") -> bytes:
    """CSV in UTF-8: numbers as Python's repr has them, empty cells for null.

    Text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, "CSV injection").
    """
    from pandas.api.types import is_numeric_dtype

    safe = frame.copy()
    for column in safe.columns:
        if not is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(_neutral, na_action="ignore")
    return safe.to_csv(index=False, lineterminator="\n").encode()


def _neutral(value: object) -> object:
    if not isinstance(value, str):
        return value
    lines = "\n".join(value.splitlines())  # the csv module leaves a lone CR unquoted: it would end the row
    return f"'{lines}" if FORMULA.match(value) else lines


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold ``folder``, which is made where it is missing, against other processes; without ``wait``, yield
    False at once where another holds it.

    The kernel lets go of the lock with the process that held it, so none is ever stale. Some network file
    systems cannot lock: there every process takes itself to be alone.
    Raises `StorageError` where the folder cannot be made.
    """
    handle = _open(folder)
    try:
        while (mine := _lock(handle, wait)) and not _is_at(folder, handle):
            removed, handle = handle, _open(folder)
            os.close(removed)
        yield mine
    finally:
        os.close(handle)


def _open(folder: Path) -> int:
    try:
        while True:
            with suppress(FileNotFoundError):  # removed just now by the process that held it
                folder.mkdir(parents=True, exist_ok=True)
                return os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _is_at(folder: Path, handle: int) -> bool:
    """Whether the folder that is held is the one that others find: who held it before may have removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), folder.stat())
    return False


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
