"""Where a data set's files lie on this machine, and whether they are the right ones.

Roots are searched in this order: ``data.root=``, $LSBENCH_DATA, the user's cache, /usr/share/datasets. An
explicit root without the data is an error. Checksums are of the decompressed content, so that a file may lie
there as NAME or, compressed by whomever, as NAME.gz; they are compared at every load.
"""

import gzip
import hashlib
import importlib.util
import io
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsbench.errors import DataError

SYSTEM = Path("/usr/share/datasets")
LARGEST = 256 << 20  # bytes; more is never read or decompressed, and the largest real file has 155 MB


@dataclass(frozen=True)
class Source:
    """What can be said of a data set without reading it.

    ``shape`` (C, H, W) of one image; ``train``, ``test`` and ``classes`` are counts. ``folders`` are where
    torchvision and Linux distributions put the files below a root; the first is where a download goes.
    ``files`` maps each file's name to the checksum of its decompressed content, "sha256:..." or "md5:...".
    A download is MIRROR + NAME + ".gz" for each file, or, where ``archive`` is given, MIRROR + archive: a
    tar.gz with the members folders[0]/NAME. ``package`` is the installed Python package that holds the files.
    """

    name: str
    shape: tuple[int, int, int]
    train: int
    test: int
    classes: int
    folders: tuple[str, ...]
    files: Mapping[str, str]
    mirrors: tuple[str, ...] = ()
    archive: str = ""
    archive_checksum: str = ""
    package: str = ""

    def mend(self, root: str | None) -> str:
        """The command that puts good files in place."""
        if self.package:
            return f"pip install --force-reinstall {self.package}"
        return f"lsbench data fetch {self.name}" + (f" --root {root}" if root else "")


def cache() -> Path:
    """The user's cache folder, which may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lsbench"


def roots(source: Source, root: str | None) -> list[Path]:
    """The roots that are searched for ``source``, in order; an explicit ``root`` is the only one."""
    if root:
        return [Path(root).expanduser()]
    if source.package:
        package = importlib.util.find_spec(source.package)  # found without being imported
        return [Path(place) for place in (package.submodule_search_locations or [])] if package else []
    named = os.environ.get("LSBENCH_DATA")
    return [*([Path(named).expanduser()] if named else []), cache(), SYSTEM]


def find(source: Source, root: str | None) -> Path:
    """The first folder that has all files. Raises `DataError` where there is none."""
    places = [place / folder for place in roots(source, root) for folder in source.folders]
    for folder in places:
        if not _lacking(source, folder):
            return folder
    if not places:
        raise DataError(f"{source.name}: it comes with {source.package}: {source.mend(None)}")
    nearest = min(places, key=lambda folder: len(_lacking(source, folder)))
    raise DataError(
        f"{source.name}: not found under {', '.join(map(str, roots(source, root)))}; `{source.mend(root)}` "
        f"brings it, or put {', '.join(_lacking(source, nearest))} (or .gz) into {nearest}; "
        "data=mnist5k needs no download"
    )


def read(source: Source, root: str | None) -> dict[str, bytes]:
    """Each file's decompressed content by name. Raises `DataError` for files that are missing or damaged."""
    folder = find(source, root)
    contents = {}
    for name in source.files:
        contents[name], problem = inspect(source, folder, name)
        if problem:
            raise DataError(f"{problem}; delete the file, then `{source.mend(root)}`")
    return contents


def inspect(source: Source, folder: Path, name: str) -> tuple[bytes, str]:
    """A file's decompressed content, and what is wrong with it: an empty string if nothing is."""
    path = _locate(folder, name)
    if path is None:
        return b"", f"{folder / name}: missing"
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST)
    except OSError as error:
        return b"", f"{path}: cannot be read ({error.strerror})"
    if path.suffix == ".gz":
        content = decompress(content)
    problem = mismatch(content, source.files[name])
    return content, problem and f"{path}: {problem}"


def decompress(content: bytes) -> bytes:
    """The content of a gzip stream, up to LARGEST; a damaged stream comes back as it is.

    Damage is for the checksum to find, which then is the one place that reports it.
    """
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(LARGEST)
    except (OSError, EOFError, zlib.error):
        return content


def mismatch(content: bytes, checksum: str) -> str:
    """What is wrong with ``content``: an empty string if its checksum is the expected one."""
    algorithm, _, expected = checksum.partition(":")
    actual = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    label = algorithm.upper().replace("SHA", "SHA-")
    return "" if actual == expected else f"{label} is {actual}, expected {expected}"


def _lacking(source: Source, folder: Path) -> list[str]:
    return [name for name in source.files if _locate(folder, name) is None]


def _locate(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        try:
            if path.is_file():
                return path
        except OSError:  # a folder that this user may not enter holds nothing for them
            continue
    return None
