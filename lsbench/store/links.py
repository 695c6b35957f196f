"""Paths inside a results folder: names and links that lead out of it are refused, since the folder may come
from somebody else."""

import os
import re
from pathlib import Path

from lsbench.errors import StorageError


def is_plain_name(name: object) -> bool:
    """True if ``name`` is text that can be the name of a run or a sweep, so not a path and not hidden."""
    return isinstance(name, str) and re.fullmatch(r"[\w+=-][\w.+=-]*", name) is not None


def check_links(results_dir: str | Path, folder: Path) -> None:
    """Raise `StorageError` if ``folder`` or an entry of it is a link that leads out of ``results_dir``, or if
    an entry is neither a file nor a folder: reading a pipe would wait for ever.

    The folder of all runs may itself be a link, to a larger disk.
    """
    try:
        with os.scandir(folder) as entries:
            unusual = [entry for entry in entries if not _is_ordinary(entry)]
    except OSError:
        return  # whoever opens a file in it reports that
    roots = {os.path.realpath(path) for path in (results_dir, Path(results_dir) / "runs")}
    for path in (str(folder), *(entry.path for entry in unusual)):
        real = os.path.realpath(path)
        if not any(os.path.commonpath([root, real]) == root for root in roots):
            raise StorageError(
                f"{path}: leads out of {results_dir} through a link, to {real}; put a copy in its place"
            )
    for entry in unusual:
        if not entry.is_symlink():
            raise StorageError(f"{entry.path}: is neither a file nor a folder; remove it")


def _is_ordinary(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
