"""Versions of the code that made a record."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from lsbench import __version__


@cache
def provenance() -> dict[str, str]:
    """lsbench's version and commit, and torch's version."""
    return {"lsbench": __version__, "git_sha": _git_sha(), "torch": version("torch")}


def _git_sha() -> str:
    """The commit of the checkout that tracks this file, with ``-dirty`` if it has changes; else empty."""
    path = Path(__file__)
    git = ["git", "-C", str(path.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", path.name], capture_output=True, check=True)
        command = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--match="]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
