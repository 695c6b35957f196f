"""Atomic writes, JSON, and locks between processes."""

import errno
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
    from filelock import FileLock

FORMULA = re.compile(r"[=+\-@\t\r]")  # the first character of a cell that a spreadsheet evaluates
ATTEMPTS = 100  # to make a lock file in a folder that another process is removing
CANNOT_LOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # from flock(2), on a file system without locks


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` in one step: a reader sees the old file, the new one, or none.

    Raises `StorageError` naming the path if the folder cannot be made or written, or the disk is full.
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
    """Remove a file if it exists. Raises `StorageError` if that fails."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed ({error.strerror})") from error


def to_json(content: Any) -> bytes:
    """JSON by RFC 8259, which has no NaN and no infinity: they become null."""
    return (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
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
    """Hold ``folder``, which need not exist, against other processes and threads; yield True. Without
    ``wait``, yield False at once if another one holds it.

    The lock is on FOLDER.lock beside the folder. The kernel releases it when its process ends, however that
    happens. The holder removes the lock file at the end, which is safe because `filelock` only takes a lock
    on a file that still exists. On some network file systems no lock is possible; each process then acts as
    if it were alone. Raises `StorageError` if the lock file cannot be made.
    """
    from filelock import Timeout  # 50 ms, which a report does without

    path = folder.with_name(f"{folder.name}.lock")
    try:
        lock = _acquire(path, wait)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    try:
        yield True
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # while the lock is held, so that it is certainly this one
        lock.release()


def _acquire(path: Path, wait: bool) -> "FileLock":
    from filelock import FileLock

    lock = FileLock(path, fallback_to_soft=False)
    for remaining in reversed(range(ATTEMPTS)):
        try:
            lock.acquire(blocking=wait)
            break
        except (FileNotFoundError, FileExistsError):  # another process has just removed the lock's folder
            if not remaining:
                raise
        # a file system without locks: an OSError, or filelock's NotImplementedError where flock is missing
        except (OSError, NotImplementedError) as error:
            if getattr(error, "errno", errno.ENOSYS) not in CANNOT_LOCK:
                raise
            break
    return lock
