import gzip
import hashlib
from dataclasses import replace

import pytest

from lsbench.data import _files
from lsbench.errors import DataError

IMAGES = "train-images-idx3-ubyte"


def put(folder, contents):
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def test_search_order(monkeypatch, tmp_path, source, contents, root):
    system = put(tmp_path / "system" / "MNIST" / "raw", contents)
    assert _files.find_folder(source, None) == system
    cached = put(_files.cache() / "MNIST" / "raw", contents)
    assert _files.find_folder(source, None) == cached
    named = put(tmp_path / "named", contents)  # directly in the root
    monkeypatch.setenv("LSBENCH_DATA", str(named))
    assert _files.find_folder(source, None) == named
    assert _files.find_folder(source, str(root)) == root / "MNIST" / "raw"


def test_an_explicit_root_is_the_only_one(tmp_path, source, contents, cache):
    put(cache / "MNIST" / "raw", contents)
    with pytest.raises(DataError) as caught:
        _files.find_folder(source, str(tmp_path / "empty"))
    message = str(caught.value)
    assert "\n" not in message
    assert str(cache) not in message
    assert f"lsbench data fetch mnist --root {tmp_path / 'empty'}" in message
    assert str(tmp_path / "empty" / "MNIST" / "raw") in message
    assert "data=mnist5k" in message


def test_missing_names_only_what_is_missing(source, root):
    (root / "MNIST" / "raw" / IMAGES).unlink()
    with pytest.raises(DataError, match=f"put {IMAGES} \\(or .gz\\) into"):
        _files.find_folder(source, str(root))


def test_reads_plain_and_recompressed_files(source, root, contents):
    path = root / "MNIST" / "raw" / IMAGES
    path.rename(path.with_suffix(".away"))
    path.with_name(f"{IMAGES}.gz").write_bytes(gzip.compress(contents[IMAGES], compresslevel=1, mtime=7))
    assert _files.read(source, str(root)) == contents


def flip(content):
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


def cut(content):
    return content[:-1]


def empty(content):
    return b""


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_damage_is_reported_with_both_hashes(request, name, packed, damage):
    source, root, contents = map(request.getfixturevalue, ("source", "root", "contents"))
    path = root / "MNIST" / "raw" / name
    path.unlink()
    path = path.with_name(f"{name}.gz") if packed else path
    bad = damage(gzip.compress(contents[name]) if packed else contents[name])
    path.write_bytes(bad)
    with pytest.raises(DataError) as caught:
        _files.read(source, str(root))
    message = str(caught.value)
    assert message.startswith(f"{path}: SHA-256 is ")
    assert f"expected {hashlib.sha256(contents[name]).hexdigest()}" in message
    assert f"lsbench data fetch mnist --root {root}" in message
    if not packed:
        assert hashlib.sha256(bad).hexdigest() in message


def test_decompression_is_bounded(monkeypatch):
    monkeypatch.setattr(_files, "LARGEST", 1000)
    assert len(_files.decompress(gzip.compress(bytes(1_000_000)))) == 1000


def test_absent_package_is_named(source):
    absent = replace(source, package="no_such_package_here")
    with pytest.raises(DataError, match="pip install --force-reinstall no_such_package_here"):
        _files.find_folder(absent, None)
