"""Atomic writes, and locks between processes."""

import errno
import fcntl
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from lsbench.errors import StorageError
from lsbench.store.checkpoints import hold
from lsbench.store.files import locked, write_atomically

FORK = multiprocessing.get_context("fork")


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"file: cannot be written \(No space left on device\)"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_readers_never_see_a_partial_file(tmp_path):
    path, size = tmp_path / "file", 200_000
    write_atomically(path, b"0" * size)
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write_atomically, path, str(i).encode() * size) for i in range(10)]
        seen = [path.read_bytes() for _ in range(200)]
        assert all(write.result() is None for write in writes)
    assert all(len(set(content)) == 1 and len(content) == size for content in seen)


def test_one_holder_at_a_time_and_no_lock_is_left(tmp_path):
    folder = tmp_path / "parent" / "folder"
    with locked(folder) as first, locked(folder, wait=False) as second:
        assert (first, second) == (True, False)
        assert [path.name for path in folder.parent.iterdir()] == ["folder.lock"]
    assert not list(folder.parent.iterdir())
    with locked(folder, wait=False) as third:
        assert third


def count_up(folder, path, times):
    for _ in range(times):
        with hold(folder):
            path.write_text(str(int(path.read_text()) + 1))


def test_processes_that_lock_remove_and_lock_again_never_overlap(tmp_path):
    """Each release removes the lock file and its folder."""
    path = tmp_path / "number"
    path.write_text("0")
    arguments = (tmp_path / "parent" / "folder", path, 25)
    processes = [FORK.Process(target=count_up, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert path.read_text() == "100" and [path.name for path in tmp_path.iterdir()] == ["number"]


def test_a_lock_is_free_when_its_process_is_killed(tmp_path):
    def die():
        with locked(tmp_path / "folder"):
            os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and (tmp_path / "folder.lock").exists()
    with locked(tmp_path / "folder", wait=False) as acquired:
        assert acquired
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without_them(code, tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "folder") as first, locked(tmp_path / "folder", wait=False) as second:
        assert first and second


def test_a_lock_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot be written"), locked(tmp_path / "file" / "folder"):
        pass
