"""CIFAR-10 and CIFAR-100 from their python batches (Krizhevsky 2009, Learning Multiple Layers of Features).

The batches are pickles. Their checksums are compared before anything is unpickled, and the unpickler only
accepts the parts of a numpy array.
"""

import io
import pickle
from typing import Any

import numpy as np

from lsbench.data import _files
from lsbench.errors import DataError
from lsbench.terms import Splits

# The MD5 of each batch is torchvision's (datasets.CIFAR10, CIFAR100); no SHA-256 is published. Those of the
# archives are from Keras and tensorflow-datasets.
CIFAR10 = _files.Source(
    name="cifar10",
    shape=(3, 32, 32),
    train=50_000,
    test=10_000,
    classes=10,
    folders=("cifar-10-batches-py", ""),
    files={
        "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
        "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
        "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "md5:40351d587109b95175f43aff81a1287e",
        "batches.meta": "md5:5ff9c542aee3614f3951f8cda6e48888",
    },
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    archive="cifar-10-python.tar.gz",
    archive_checksum="sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
CIFAR100 = _files.Source(
    name="cifar100",
    shape=(3, 32, 32),
    train=50_000,
    test=10_000,
    classes=100,
    folders=("cifar-100-python", ""),
    files={
        "train": "md5:16019d7e3df5f24257cddd939b257f8d",
        "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "md5:7973b15100ade9c7d40fb424638fde48",
    },
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    archive="cifar-100-python.tar.gz",
    archive_checksum="sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
)


def load10(root: str | None) -> Splits:
    """uint8 [50000,3,32,32] and [10000,3,32,32]. Raises `DataError` for missing or damaged files."""
    train = [f"data_batch_{number}" for number in range(1, 6)]
    keys = (b"label_names", b"labels")
    return _splits(CIFAR10, root, train=train, test="test_batch", meta="batches.meta", keys=keys)


def load100(root: str | None) -> Splits:
    """Like `load10`, with the 100 fine labels."""
    keys = (b"fine_label_names", b"fine_labels")
    return _splits(CIFAR100, root, train=["train"], test="test", meta="meta", keys=keys)


def _splits(
    source: _files.Source,
    root: str | None,
    *,
    train: list[str],
    test: str,
    meta: str,
    keys: tuple[bytes, ...],
) -> Splits:
    contents = _files.read(source, root)
    names, labels = keys
    try:
        batches = {name: unpickle(content) for name, content in contents.items()}
        train_images, train_labels = _join([batches[name] for name in train], labels)
        test_images, test_labels = _join([batches[test]], labels)
        classes = tuple(name.decode() for name in batches[meta][names])
    except Exception as error:  # unpickling something else may raise anything
        raise DataError(f"{source.name}: a file is not a CIFAR batch ({error})") from None
    return Splits(train_images, train_labels, test_images, test_labels, classes)


def _join(batches: list[dict[bytes, Any]], labels: bytes) -> tuple[Any, Any]:
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([np.asarray(batch[labels], np.int64) for batch in batches])


def unpickle(content: bytes) -> dict[bytes, Any]:
    """A batch with its keys as bytes. Raises `pickle.UnpicklingError` for any other kind of object in it."""
    batch: dict[bytes, Any] = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    return batch


def _array(*_: object) -> "np.ndarray[Any, Any]":
    """An empty array, in place of numpy's _reconstruct; its content follows in the pickle."""
    return np.empty(0, np.uint8)


def _dtype(kind: Any, *_: object) -> "np.dtype[Any]":
    """uint8 only, since an array of objects could contain anything. The further arguments are 0 and 1 where
    numpy 2.4 requires booleans; they have no effect."""
    if np.dtype(kind) != np.uint8:
        raise pickle.UnpicklingError(f"it holds an array of {kind!r}; refused")
    return np.dtype(np.uint8)


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): "the type that _reconstruct is asked for",
    ("numpy", "dtype"): _dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; refused")
        return _ADMITTED[module, name]
