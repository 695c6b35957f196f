"""Download of a data set's files.

A download is held in memory until its checksum is verified, then written in one step, so that no partial file
is ever visible. Members of an archive are read by name and never extracted: no name, link or mode inside an
archive decides where anything is written.
"""

import http.client
import io
import os
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

from lsbench.data._files import LARGEST, Source, cache, decompress, mismatch, read_file
from lsbench.errors import DataError, StorageError
from lsbench.store.files import locked, write_atomically

STALL = 20.0  # seconds without a byte after which a mirror is given up
PATIENCE = 900.0  # seconds that one download may take from one mirror; 170 MB at 200 kB/s


def fetch(source: Source, root: str | None = None, report: Callable[[str], None] = lambda url: None) -> Path:
    """Download missing and damaged files to ``root`` (by default the user's cache) and return their folder.

    ``report`` is called with each URL before its download. Raises `DataError` if LSBENCH_OFFLINE=1 forbids
    the download or every mirror fails, `StorageError` if the folder cannot be written.
    """
    folder = (Path(root).expanduser() if root else cache()) / source.folders[0]
    if not source.mirrors:
        raise DataError(
            f"{source.name}: its files are not downloaded but installed: `{source.repair_command(None)}`"
        )
    try:
        with locked(folder):  # one process downloads, others wait and then use its files
            wanted = [name for name in source.files if read_file(source, folder, name)[1]]
            for name, content in _contents(source, wanted, report):
                write_atomically(folder / name, content)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror}); see --root") from None
    return folder


def _contents(
    source: Source, wanted: list[str], report: Callable[[str], None]
) -> Iterator[tuple[str, bytes]]:
    """The verified content of each wanted file; an archive yields nothing until all of them are verified."""
    if wanted and source.archive:
        problem = partial(mismatch, checksum=source.archive_checksum)
        archive = _download(source, source.archive, problem, report)
        yield from _members(source, archive, wanted).items()
        return
    for name in wanted:
        problem = partial(_packed_mismatch, source.files[name])
        yield name, decompress(_download(source, f"{name}.gz", problem, report))


def _packed_mismatch(checksum: str, packed: bytes) -> str:
    return mismatch(decompress(packed), checksum)


def _download(
    source: Source, name: str, problem: Callable[[bytes], str], report: Callable[[str], None]
) -> bytes:
    """Download ``name`` from the first mirror whose response has no ``problem``."""
    if os.environ.get("LSBENCH_OFFLINE") == "1":
        raise DataError(
            f"{source.name}: {name} is missing and LSBENCH_OFFLINE=1 forbids its download; unset it"
        )
    failures = []
    for mirror in source.mirrors:
        report(mirror + name)
        try:
            content = _get(mirror + name)
            failure = problem(content)
        except urllib.error.HTTPError as error:
            error.close()
            failure = f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            failure = str(getattr(error, "reason", error)) or type(error).__name__
        if not failure:
            return content
        failures.append(f"{mirror} ({failure})")
    raise DataError(f"{source.name}: {name} could not be downloaded: {'; '.join(failures)}")


def _get(url: str) -> bytes:
    """The body of the response. Raises OSError or HTTPException if it fails, stalls or takes too long."""
    request = urllib.request.Request(url, headers={"User-Agent": "lsbench"})
    deadline = monotonic() + PATIENCE
    body = io.BytesIO()
    with urllib.request.urlopen(request, timeout=STALL) as response:
        while chunk := response.read1(1 << 20):  # read() would wait for a full chunk
            body.write(chunk)
            if monotonic() > deadline:
                raise TimeoutError(f"not done after {PATIENCE:g} s")
            if body.tell() > LARGEST:
                raise OSError("larger than any file that lsbench downloads")
    return body.getvalue()


def _members(source: Source, archive: bytes, wanted: list[str]) -> dict[str, bytes]:
    """The content of folders[0]/NAME in a tar.gz. Raises `DataError` unless each is a regular file with the
    expected checksum."""
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for name in wanted:
                member = tar.getmember(f"{source.folders[0]}/{name}")
                stream = tar.extractfile(member) if member.isreg() and member.size <= LARGEST else None
                if stream is None:
                    raise DataError(f"{source.archive}: {member.name} is not a regular file; refused")
                contents[name] = stream.read()
    except (KeyError, OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{source.archive}: cannot be read ({error})") from None
    for name, content in contents.items():
        if problem := mismatch(content, source.files[name]):
            raise DataError(f"{source.archive}: {name}: {problem}")
    return contents
