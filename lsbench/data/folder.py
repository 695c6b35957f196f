"""A folder of images: ROOT/train/CLASS/* and, where there is an official test set, ROOT/test/CLASS/*.

Classes and images are sorted by name, as in torchvision's ImageFolder. Images are decoded once and cached in
the user's cache folder, in a file named by a hash of everything that they depend on.
"""

import hashlib
import io
import logging
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lsbench.data._files import cache
from lsbench.errors import DataError, StorageError, UsageError
from lsbench.store.files import write_atomically
from lsbench.terms import Splits

log = logging.getLogger(__name__)

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Tree = dict[str, list[Path]]  # class -> its images


def load(root: str | None, size: int | None = None) -> Splits:
    """uint8 [N,C,H,W], C = 1 if every image is greyscale, else 3; resized to ``size`` × ``size`` if given.

    Raises `UsageError` for a size below 1, and `DataError` for a tree that is missing or empty, for classes
    that differ between train and test, for files that are not images (hidden files are skipped) and, without
    ``size``, for images of several sizes.
    """
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise UsageError(f"data.options.size={size}: allowed is a whole number of at least 1, or null")
    if not root:
        raise DataError(
            "data=folder needs data.root=DIR, a folder with train/CLASS/ and optionally test/CLASS/"
        )
    folder = Path(root).expanduser()
    try:
        trees = _trees(folder)
        cached = cache() / "folder" / f"{_key(folder, trees, size)}.npz"
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    splits = _read_cache(cached)
    if splits is None or splits.classes != tuple(trees["train"]):
        splits = _decode(trees, size)
        _write_cache(cached, splits)
    return splits


def _trees(folder: Path) -> dict[str, Tree]:
    """The image files of train and, if there is such a folder, of test. Raises `DataError` if their classes
    differ, or one has no image."""
    trees = {part: _tree(folder / part) for part in ("train", "test") if (folder / part).is_dir()}
    if "train" not in trees:
        raise DataError(f"{folder / 'train'}: no such folder; data=folder reads data.root/train/CLASS/*")
    for part, tree in trees.items():
        if differing := sorted(tree.keys() ^ trees["train"].keys()):
            raise DataError(f"{folder}: train/ and test/ differ in their classes: {', '.join(differing)}")
        empty = [name for name, images in tree.items() if not images]
        if empty or not tree:
            raise DataError(f"{folder / part / ''.join(empty[:1])}: contains no images")
    return trees


def _tree(part: Path) -> Tree:
    classes = sorted(path for path in part.iterdir() if path.is_dir() and not path.name.startswith("."))
    return {path.name: sorted(_images(path)) for path in classes}


def _images(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _images(path)
        else:
            yield path


def _key(folder: Path, trees: dict[str, Tree], size: int | None) -> str:
    """A hash of paths, file sizes, modification times, options, and the decoder's version."""
    from PIL import __version__ as pillow

    digest = hashlib.sha256(os.fsencode(f"1 {pillow} {size} {folder.resolve()}"))
    for path in [*_paths(trees["train"]), *_paths(trees.get("test", {}))]:
        status = path.stat()
        digest.update(os.fsencode(path.relative_to(folder)))
        digest.update(
            f" {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}\n".encode()
        )
    return digest.hexdigest()[:32]


def _decode(trees: dict[str, Tree], size: int | None) -> Splits:
    # One thread: with several, 60,000 images of 32×32 took 1.4 times as long.
    images = {part: _decode_all(_paths(tree), size) for part, tree in trees.items()}
    _check_sizes(trees, images)
    channels = max(image.shape[0] for part in images.values() for image in part)
    test = trees.get("test")
    return Splits(
        train_images=_stack(images["train"], channels),
        train_labels=_labels(trees["train"]),
        test_images=_stack(images["test"], channels) if test else None,
        test_labels=_labels(test) if test else None,
        classes=tuple(trees["train"]),
    )


def _check_sizes(trees: dict[str, Tree], images: dict[str, list[Pixels]]) -> None:
    """Raise `DataError`, naming the first, if images differ in size from the first train image."""
    first = _paths(trees["train"])[0]
    shape = images["train"][0].shape[1:]
    odd = [
        (path, image.shape[1:])
        for part, tree in trees.items()
        for path, image in zip(_paths(tree), images[part], strict=True)
        if image.shape[1:] != shape
    ]
    if odd:
        path, (height, width) = odd[0]
        raise DataError(
            f"{path}: {width}×{height} pixels, but {first.name} has {shape[1]}×{shape[0]}"
            f"{_others(len(odd), 'of other sizes')}; data.options.size=N makes every image N×N"
        )


def _others(count: int, problem: str) -> str:
    """``, one of COUNT images PROBLEM`` if the one that is named is not the only one."""
    return f", one of {count:,} images {problem}" if count > 1 else ""


def _paths(tree: Tree) -> list[Path]:
    return [path for images in tree.values() for path in images]


def _labels(tree: Tree) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.repeat(np.arange(len(tree), dtype=np.int64), [len(images) for images in tree.values()])


def _stack(images: list[Pixels], channels: int) -> Pixels:
    """The images as [N,C,H,W]; a greyscale image among colour images is repeated in every channel."""
    stacked = np.empty((len(images), channels, *images[0].shape[1:]), np.uint8)
    for row, image in zip(stacked, images, strict=True):
        row[:] = image
    return stacked


def _decode_all(paths: list[Path], size: int | None) -> list[Pixels]:
    """Decode the images of ``paths``. Raises `DataError` with the number of those that cannot be read, naming
    the first."""
    images, failures = [], []
    for path in paths:
        try:
            images.append(_image(path, size))
        except Exception as error:  # Pillow's decoders raise anything on a damaged file
            failures.append(f"{path}: not an image that can be read ({error})")
    if failures:
        others = _others(len(failures), "that cannot be read")
        raise DataError(f"{failures[0]}{others}; remove or replace them, or hide them with a leading dot")
    return images


def _image(path: Path, size: int | None) -> Pixels:
    """[1,H,W] for a greyscale image, [3,H,W] for any other. Raises anything if it cannot be decoded."""
    from PIL import Image

    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):  # Pillow would clip these at 255
            raise ValueError(f"more than 8 bits per channel: mode {image.mode}")
        decoded = image if image.mode == "L" else image.convert("RGB")
        if size:
            decoded = decoded.resize((size, size), Image.Resampling.BILINEAR)
        pixels = np.asarray(decoded)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _read_cache(path: Path) -> Splits | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Splits(
                train_images=arrays["train_images"],
                train_labels=arrays["train_labels"],
                test_images=arrays.get("test_images"),
                test_labels=arrays.get("test_labels"),
                classes=tuple(str(name) for name in arrays["classes"]),
            )
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s: damaged (%s); decoding the images again", path, error)
        return None


def _write_cache(path: Path, splits: Splits) -> None:
    """Write the cache file, or log a warning if that fails: the images are then decoded at every load."""
    arrays: dict[str, Any] = {name: value for name, value in vars(splits).items() if value is not None}
    content = io.BytesIO()
    np.savez(content, **arrays)
    try:
        write_atomically(path, content.getvalue())
    except StorageError as error:
        log.warning("%s; the images will be decoded again", error)
