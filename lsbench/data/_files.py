"""Files of data sets on this machine, and their checksums.

Roots are searched in this order: ``data.root=``, $LSBENCH_DATA, the user's cache, /usr/share/datasets. An
explicit root without the data is an error. Checksums are of the decompressed content, so that a file may be
there as NAME or, compressed by any program, as NAME.gz; they are compared at every load.
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
    """The description of a data set: sizes, files and mirrors.

    ``shape`` (C, H, W) is that of one image; ``train``, ``test`` and ``classes`` are counts. ``folders`` are
    those below a root in which torchvision and Linux distributions put the files; downloads go to the first.
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

    def repair_command(self, root: str | None) -> str:
        """The command that brings the files, or replaces damaged ones."""
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
        package = importlib.util.find_spec(source.package)  # without importing it
        return [Path(path) for path in (package.submodule_search_locations or [])] if package else []
    named = os.environ.get("LSBENCH_DATA")
    return [*([Path(named).expanduser()] if named else []), cache(), SYSTEM]


def find_folder(source: Source, root: str | None) -> Path:
    """The first folder that has all files. Raises `DataError` if there is none."""
    folders = [path / folder for path in roots(source, root) for folder in source.folders]
    for folder in folders:
        if not _missing(source, folder):
            return folder
    command = source.repair_command(root)
    if not folders:
        raise DataError(f"{source.name}: package {source.package} is not installed; {command}")
    nearest = min(folders, key=lambda folder: len(_missing(source, folder)))
    raise DataError(
        f"{source.name}: not found under {', '.join(map(str, roots(source, root)))}; `{command}` downloads "
        f"it, or put {', '.join(_missing(source, nearest))} (or .gz) into {nearest}; "
        "data=mnist5k needs no download"
    )


def read(source: Source, root: str | None) -> dict[str, bytes]:
    """The decompressed content of each file by name. Raises `DataError` if one is missing or damaged."""
    folder = find_folder(source, root)
    contents = {}
    for name in source.files:
        contents[name], problem = read_file(source, folder, name)
        if problem:
            raise DataError(f"{problem}; delete the file, then `{source.repair_command(root)}`")
    return contents


def read_file(source: Source, folder: Path, name: str) -> tuple[bytes, str]:
    """A file's decompressed content, and a description of its problem, empty if it has none."""
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
    """The content of a gzip stream, up to LARGEST bytes; a damaged stream is returned unchanged, and its
    checksum will differ."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(LARGEST)
    except (OSError, EOFError, zlib.error):
        return content


def mismatch(content: bytes, checksum: str) -> str:
    """A description of how the checksum of ``content`` differs, empty if it is the expected one."""
    algorithm, _, expected = checksum.partition(":")
    actual = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    label = algorithm.upper().replace("SHA", "SHA-")
    return "" if actual == expected else f"{label} is {actual}, expected {expected}"


def _missing(source: Source, folder: Path) -> list[str]:
    return [name for name in source.files if _locate(folder, name) is None]


def _locate(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        try:
            if path.is_file():
                return path
        except OSError:  # no permission to enter the folder
            continue
    return None
