"""Files that appear in one piece."""

import os
import tempfile
from pathlib import Path

from lsbench.terms import StorageError


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
