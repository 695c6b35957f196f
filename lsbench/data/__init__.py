"""Data sets: each source is one file with a function ``load(root, **options) -> Splits``.

conf/data/NAME.yaml names the function; nothing else has to be registered.
"""

import inspect
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from lsbench import registry
from lsbench.errors import DataError, UsageError
from lsbench.terms import Splits

if TYPE_CHECKING:
    from lsbench.config import DataConfig

__path__ = registry.with_extensions(__path__, __name__)


def load(config: "DataConfig") -> Splits:
    """Load the whole data set that ``config`` describes.

    Raises `UsageError` for an unknown source or option, `DataError` for data that is missing or damaged, or
    that is not a valid `Splits`.
    """
    read = _source(config._target_)
    try:
        inspect.signature(read).bind(config.root, **config.options)
    except TypeError as error:
        raise UsageError(f"data.options of {config.name}: {error}") from None
    splits = read(config.root, **config.options)
    if not isinstance(splits, Splits):
        raise DataError(f"{config.name}: {config._target_} returned no Splits; return lsbench.terms.Splits")
    _check(config.name, splits)
    return splits


def _source(target: str) -> Callable[..., Any]:
    try:
        source = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"data._target_={target}: {error}") from None
    if not callable(source):
        raise UsageError(f"data._target_={target}: not a function")
    return cast(Callable[..., Any], source)


def _check(name: str, splits: Splits) -> None:
    """Raise `DataError` unless images are uint8 [N,C,H,W] and labels int64 [N] with values below K."""
    if (splits.test_images is None) != (splits.test_labels is None):
        raise DataError(f"{name}: give both test images and test labels, or neither")
    if len(splits.classes) < 2:
        raise DataError(f"{name}: {len(splits.classes)} class; at least 2 are needed")
    for part in ("train", "test"):
        images, labels = getattr(splits, f"{part}_images"), getattr(splits, f"{part}_labels")
        if images is None:
            continue
        if images.dtype != "uint8" or images.ndim != 4 or images.shape[1:] != splits.train_images.shape[1:]:
            raise DataError(f"{name}: {part} images are {images.dtype} {images.shape}; need uint8 [N,C,H,W]")
        if labels.dtype != "int64" or labels.shape != images.shape[:1]:
            raise DataError(f"{name}: {part} labels are {labels.dtype} {labels.shape}; need int64 [N]")
        if not len(labels) or labels.min() < 0 or labels.max() >= len(splits.classes):
            raise DataError(
                f"{name}: {part} labels must be from 0 to {len(splits.classes) - 1}, and at least one"
            )
