"""Temporary folders in place of the user's data, and tiny files in MNIST's format."""

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from lsbench.data import _files, mnist


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("LSBENCH_DATA", raising=False)
    monkeypatch.delenv("LSBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(_files, "SYSTEM", tmp_path / "system")
    return tmp_path / "cache" / "lsbench"


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def contents():
    """The four files of a MNIST with 30 + 20 images, by name."""
    random = np.random.default_rng(0)
    return {
        f"{part}-{kind}": idx(random.integers(0, high, (rows, *shape), np.uint8))
        for part, rows in (("train", 30), ("t10k", 20))
        for kind, high, shape in (("images-idx3-ubyte", 256, (28, 28)), ("labels-idx1-ubyte", 10, ()))
    }


@pytest.fixture
def source(monkeypatch, contents):
    """The MNIST source with the checksums of the tiny files, in place of the real one."""
    checksums = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in contents.items()}
    tiny = replace(mnist.SOURCE, files=checksums)
    monkeypatch.setattr(mnist, "SOURCE", tiny)
    return tiny


@pytest.fixture
def root(tmp_path, contents):
    """A root that holds the tiny files as torchvision lays them out."""
    folder = tmp_path / "root" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tmp_path / "root"
