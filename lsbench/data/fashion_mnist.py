"""Fashion-MNIST: 60,000 + 10,000 clothes in MNIST's format (Xiao et al. 2017, arXiv:1708.07747)."""

from lsbench.data import _files
from lsbench.data.mnist import splits
from lsbench.terms import Splits

CLASSES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"

# From Debian's package dataset-fashion-mnist; decompressed, the files equal the original ones.
SOURCE = _files.Source(
    name="fashion_mnist",
    shape=(1, 28, 28),
    train=60_000,
    test=10_000,
    classes=10,
    folders=("FashionMNIST/raw", "fashion-mnist", ""),
    files={
        "train-images-idx3-ubyte": "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
)


def load(root: str | None) -> Splits:
    """uint8 [60000,1,28,28] and [10000,1,28,28]. Raises `DataError` for missing or damaged files."""
    return splits(SOURCE, root, tuple(CLASSES.split(",")))
