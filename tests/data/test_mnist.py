import os
from pathlib import Path

import numpy as np
import pytest

from lsbench.data import _files, fashion_mnist, mnist
from lsbench.errors import DataError

REAL = os.environ.get("LSBENCH_DATA", "")  # read before the fixtures hide it


def test_images_and_labels_equal_torchvisions(source, root):
    from torchvision.datasets import MNIST

    splits = mnist.load(str(root))
    for train, images, labels in (
        (True, splits.train_images, splits.train_labels),
        (False, splits.test_images, splits.test_labels),
    ):
        reference = MNIST(str(root), train=train)
        assert images.shape == (len(reference), 1, 28, 28)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(images[:, 0], reference.data.numpy())
        np.testing.assert_array_equal(labels, reference.targets.numpy())
    assert splits.classes == tuple("0123456789")
    assert splits.train_images.flags.writeable  # torch.from_numpy warns otherwise


def test_mnist_does_not_pass_as_fashion_mnist(root, contents):
    with pytest.raises(DataError, match="expected c59f468a2f672dc8"):
        fashion_mnist.load(str(root / "MNIST" / "raw"))


def test_fashion_mnist_where_debian_puts_it(tmp_path, contents):
    from torchvision.datasets import FashionMNIST

    folder = tmp_path / "system" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    assert _files.find_folder(fashion_mnist.SOURCE, None) == folder
    assert fashion_mnist.CLASSES.split(",") == FashionMNIST.classes


@pytest.mark.real_data
@pytest.mark.skipif(not (REAL and Path(REAL, "MNIST").is_dir()), reason="no MNIST in LSBENCH_DATA")
def test_real_mnist():
    splits = mnist.load(REAL)
    assert splits.train_images.shape == (60_000, 1, 28, 28)
    # the digits' well-known counts, and the mean pixel that MNIST tutorials normalise with
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(splits.train_labels).tolist() == train
    assert np.bincount(splits.test_labels).tolist() == test
    assert splits.train_images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
