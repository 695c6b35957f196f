import hashlib
import pickle
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest

from lsbench.data import cifar
from lsbench.errors import DataError


class Python2(pickle._Pickler):
    """A pickler that writes strings as Python 2 did in the original files: 8-bit strings of protocol 2."""

    def string(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch = pickle._Pickler.dispatch | {str: string, bytes: string}


def dump(path, batch):
    with path.open("wb") as stream:
        Python2(stream, protocol=2).dump(batch)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def accept(monkeypatch, name, folder):
    """Make the files' present checksums the expected ones."""
    source = getattr(cifar, name)
    checksums = {file: f"md5:{md5(folder / file)}" for file in source.files}
    monkeypatch.setattr(cifar, name, replace(source, files=checksums))


def batch(random, label_key, classes, rows=4):
    labels = random.integers(0, classes, rows).tolist()
    return {"batch_label": "tiny", label_key: labels, "data": random.integers(0, 256, (rows, 3072), np.uint8)}


@pytest.fixture
def root10(monkeypatch, tmp_path):
    folder, random = tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir()
    for name in cifar.CIFAR10.files:
        dump(folder / name, batch(random, "labels", 10))
    dump(folder / "batches.meta", {"label_names": [f"class {k}" for k in range(10)]})
    accept(monkeypatch, "CIFAR10", folder)
    return tmp_path


@pytest.fixture
def root100(monkeypatch, tmp_path):
    folder, random = tmp_path / "cifar-100-python", np.random.default_rng(1)
    folder.mkdir()
    for name in ("train", "test"):
        fine = batch(random, "fine_labels", 100)
        dump(folder / name, fine | {"coarse_labels": [label // 5 for label in fine["fine_labels"]]})
    names = {"fine_label_names": [f"fine {k}" for k in range(100)], "coarse_label_names": ["coarse"] * 20}
    dump(folder / "meta", names)
    accept(monkeypatch, "CIFAR100", folder)
    return tmp_path


@pytest.mark.parametrize("count", [10, 100])
def test_images_and_labels_equal_torchvisions(monkeypatch, request, count):
    import torchvision.datasets

    root = request.getfixturevalue(f"root{count}")
    source, load = getattr(cifar, f"CIFAR{count}"), getattr(cifar, f"load{count}")
    reference = getattr(torchvision.datasets, f"CIFAR{count}")
    sums = {name: checksum.removeprefix("md5:") for name, checksum in source.files.items()}
    for attribute in ("train_list", "test_list"):
        listed = [[name, sums[name]] for name, _ in getattr(reference, attribute)]
        monkeypatch.setattr(reference, attribute, listed)
    monkeypatch.setattr(reference, "meta", reference.meta | {"md5": sums[reference.meta["filename"]]})

    splits = load(str(root))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy has renamed what the old pickles name
        parts = [reference(str(root), train=train) for train in (True, False)]
    for part, images, labels in zip(
        parts,
        (splits.train_images, splits.test_images),
        (splits.train_labels, splits.test_labels),
        strict=True,
    ):
        np.testing.assert_array_equal(images.transpose(0, 2, 3, 1), part.data)
        np.testing.assert_array_equal(labels, part.targets)
    assert list(splits.classes) == parts[0].classes
    assert splits.train_images.dtype == np.uint8
    assert splits.train_labels.dtype == np.int64


def test_expected_checksums_are_torchvisions():
    from torchvision.datasets import CIFAR10, CIFAR100

    for source, reference in ((cifar.CIFAR10, CIFAR10), (cifar.CIFAR100, CIFAR100)):
        listed = dict(
            [*reference.train_list, *reference.test_list, (reference.meta["filename"], reference.meta["md5"])]
        )
        assert source.files == {name: f"md5:{checksum}" for name, checksum in listed.items()}
        assert source.mirrors[0] + source.archive == reference.url


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
def test_a_damaged_file_is_never_unpickled(monkeypatch, root10, name):
    monkeypatch.setattr(cifar, "unpickle", lambda content: pytest.fail("unpickled"))
    path = root10 / "cifar-10-batches-py" / name
    expected = md5(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name}: MD5 is {md5(path)}, expected {expected}.*fetch cifar10"):
        cifar.load10(str(root10))


class Evil:
    """An object whose pickle is a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(path):
    open(path, "w").close()  # noqa: PTH123 - a pickle calls a plain function with plain arguments


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("function", [touch, open, eval, __import__], ids=lambda function: function.__name__)
def test_malicious_pickle_never_runs(monkeypatch, tmp_path, root10, function, protocol):
    ran = tmp_path / "ran"
    argument = {eval: f"open({str(ran)!r}, 'w')", __import__: "antigravity"}.get(function, str(ran))
    folder = root10 / "cifar-10-batches-py"
    arguments = (argument, "w") if function is open else (argument,)
    (folder / "data_batch_2").write_bytes(pickle.dumps(Evil(function, *arguments), protocol))
    accept(monkeypatch, "CIFAR10", folder)
    with pytest.raises(DataError, match="refused"):
        cifar.load10(str(root10))
    assert not ran.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps([]),
        pickle.dumps({b"data": 3}, 2),
        pickle.dumps(np.array([touch], dtype=object), 2),
        pickle.dumps({b"data": np.zeros(3)}, 2),
        pickle.dumps(Evil(np.ndarray, (1,), "O", b"\x01" * 8), 2),
    ],
    ids=["empty", "text", "list", "number", "objects", "floats", "buffer"],
)
def test_other_pickles_are_data_errors(monkeypatch, root10, content):
    folder = root10 / "cifar-10-batches-py"
    (folder / "data_batch_3").write_bytes(content)
    accept(monkeypatch, "CIFAR10", folder)
    with pytest.raises(DataError, match="not a CIFAR batch"):
        cifar.load10(str(root10))
