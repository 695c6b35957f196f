"""MNIST: 60,000 + 10,000 handwritten digits in IDX files (LeCun et al. 1998, Proc. IEEE 86(11))."""

import struct
from typing import Any

import numpy as np

from lsbench.data import _files
from lsbench.terms import Splits

# Computed from files whose MD5, decompressed or as the original .gz, is the one in torchvision.
SOURCE = _files.Source(
    name="mnist",
    shape=(1, 28, 28),
    train=60_000,
    test=10_000,
    classes=10,
    folders=("MNIST/raw", ""),
    files={
        "train-images-idx3-ubyte": "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)


def load(root: str | None) -> Splits:
    """uint8 [60000,1,28,28] and [10000,1,28,28]. Raises `DataError` for missing or damaged files."""
    return splits(SOURCE, root, tuple("0123456789"))


def splits(source: _files.Source, root: str | None, classes: tuple[str, ...]) -> Splits:
    """The four IDX files of MNIST, or of a data set with the same format and file names."""
    arrays = {name: decode(content) for name, content in _files.read(source, root).items()}
    return Splits(
        train_images=arrays["train-images-idx3-ubyte"][:, None],
        train_labels=arrays["train-labels-idx1-ubyte"].astype(np.int64),
        test_images=arrays["t10k-images-idx3-ubyte"][:, None],
        test_labels=arrays["t10k-labels-idx1-ubyte"].astype(np.int64),
        classes=classes,
    )


def decode(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An IDX file of unsigned bytes: 0, 0, 8, the number of axes, each axis' length, then the values."""
    axes = content[3]
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()  # writable
