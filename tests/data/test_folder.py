import logging
import os

import numpy as np
import pytest
from PIL import Image

from lsbench.data import folder
from lsbench.errors import DataError, UsageError


def picture(path, mode="RGB", size=(6, 5), seed=0):
    """A picture of random pixels; ``size`` is (width, height), as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)
    return path


@pytest.fixture
def root(tmp_path):
    directory = tmp_path / "pictures"
    names = ["train/cat/2.png", "train/cat/10.jpg", "train/ant/b.png", "train/ant/deep/a.png"]
    for seed, name in enumerate([*names, "test/cat/x.png", "test/ant/y.jpg", "test/ant/z.jpg"]):
        picture(directory / name, seed=seed)
    return directory


def assert_is_image_folder(images, labels, classes, directory):
    from torchvision.datasets import ImageFolder

    reference = ImageFolder(str(directory))
    assert list(classes) == reference.classes
    assert labels.tolist() == reference.targets
    for ours, (image, _) in zip(images, reference, strict=True):
        np.testing.assert_array_equal(ours.transpose(1, 2, 0), np.asarray(image))


def test_agrees_with_image_folder(root):
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"hidden")
    (root / "train" / ".hidden").mkdir()
    splits = folder.load(str(root))
    (root / "train" / ".hidden").rmdir()  # torchvision would take it for a class
    assert splits.train_images.shape == (4, 3, 5, 6)
    assert splits.train_images.dtype == np.uint8
    assert splits.train_labels.dtype == np.int64
    assert_is_image_folder(splits.train_images, splits.train_labels, splits.classes, root / "train")
    assert_is_image_folder(splits.test_images, splits.test_labels, splits.classes, root / "test")


def test_second_load_decodes_nothing(monkeypatch, root, cache):
    first = folder.load(str(root))
    assert len(list((cache / "folder").iterdir())) == 1
    monkeypatch.setattr(folder, "_image", lambda path, size: pytest.fail("decoded"))
    assert folder.load(str(root)).sha256 == first.sha256


def test_a_changed_image_or_option_is_decoded_again(root):
    first = folder.load(str(root))
    path = picture(root / "train" / "cat" / "2.png", seed=99)
    os.utime(path, ns=(1, 1))
    second = folder.load(str(root))
    assert second.sha256 != first.sha256
    assert folder.load(str(root), size=4).train_images.shape == (4, 3, 4, 4)
    assert folder.load(str(root)).sha256 == second.sha256


def test_damaged_cache_is_decoded_again(root, cache, caplog):
    first = folder.load(str(root))
    (cached,) = (cache / "folder").iterdir()
    cached.write_bytes(cached.read_bytes()[:-30])
    assert folder.load(str(root)).sha256 == first.sha256
    assert "damaged" in caplog.text
    caplog.clear()
    folder.load(str(root))
    assert not caplog.text


def test_unwritable_cache_is_a_warning(root, cache, caplog):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert len(folder.load(str(root)).train_images) == 4
    assert "cannot be written" in caplog.text


def test_greyscale_keeps_one_channel(tmp_path):
    for seed, name in enumerate(["train/a/1.png", "train/b/1.png"]):
        picture(tmp_path / name, "L", seed=seed)
    splits = folder.load(str(tmp_path))
    assert splits.train_images.shape == (2, 1, 5, 6)
    assert splits.test_images is None
    assert splits.test_labels is None
    reference = Image.open(tmp_path / "train" / "a" / "1.png")
    np.testing.assert_array_equal(splits.train_images[0, 0], np.asarray(reference))


def test_greyscale_among_colours_becomes_rgb(root):
    grey = picture(root / "train" / "ant" / "a.png", "L")
    picture(root / "test" / "ant" / "transparent.png", "RGBA")
    splits = folder.load(str(root))
    np.testing.assert_array_equal(
        splits.train_images[0].transpose(1, 2, 0), np.asarray(Image.open(grey).convert("RGB"))
    )
    assert splits.test_images.shape == (4, 3, 5, 6)


def test_sizes_must_agree_unless_given(root):
    odd = picture(root / "test" / "cat" / "odd.png", size=(9, 7))
    with pytest.raises(DataError, match=rf"{odd}: 9×7 pixels.*6×5.*data\.options\.size"):
        folder.load(str(root))
    splits = folder.load(str(root), size=8)
    assert splits.test_images.shape == (4, 3, 8, 8)
    resized = Image.open(odd).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(splits.test_images[2].transpose(1, 2, 0), np.asarray(resized))


@pytest.mark.parametrize("damage", ["truncated", "text", "sixteen bits", "dangling link"])
def test_unreadable_image_is_named(root, damage):
    path = root / "train" / "cat" / "2.png"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:60])
    elif damage == "text":
        path.write_text("no image")
    elif damage == "sixteen bits":
        Image.fromarray(np.full((5, 6), 40_000, np.uint16)).save(path)
    else:
        path.unlink()
        path.symlink_to("nowhere")
    with pytest.raises(DataError, match=str(path)):
        folder.load(str(root))


def test_unreadable_images_are_counted_and_the_first_is_named(root):
    for name in ("2.png", "10.jpg"):
        (root / "train" / "cat" / name).write_text("not an image")
    first = root / "train" / "cat" / "10.jpg"
    with pytest.raises(DataError, match=rf"^{first}: .*, one of 2 images that cannot be read; remove or"):
        folder.load(str(root))


def test_images_of_other_sizes_are_counted(root):
    for name in ("odd.png", "very odd.png"):
        picture(root / "test" / "cat" / name, size=(9, 7))
    with pytest.raises(
        DataError, match=r"odd\.png: 9×7 .*6×5, one of 2 images of other sizes; data\.options"
    ):
        folder.load(str(root))


@pytest.mark.parametrize("root", [None, ""])
def test_no_root(root):
    with pytest.raises(DataError, match=r"data=folder needs data\.root="):
        folder.load(root)


def test_no_train(tmp_path):
    with pytest.raises(DataError, match="train: no such folder"):
        folder.load(str(tmp_path))


def test_empty_class(root):
    (root / "train" / "bee").mkdir()
    (root / "test" / "bee").mkdir()
    with pytest.raises(DataError, match="bee: contains no images"):
        folder.load(str(root))


def test_classes_must_agree(root):
    picture(root / "test" / "dog" / "1.png")
    with pytest.raises(DataError, match="differ in their classes: dog"):
        folder.load(str(root))


@pytest.mark.parametrize("size", [0, -3, 2.5, "8", True])
def test_bad_size(root, size):
    with pytest.raises(UsageError, match=r"data\.options\.size"):
        folder.load(str(root), size=size)


def test_another_tree_with_the_same_names_sizes_and_times_is_decoded(tmp_path):
    """Archives that are made reproducibly date every file 1970."""
    for directory, seed in (("one", 1), ("two", 2)):
        for name in ("train/a/x.bmp", "train/b/x.bmp"):
            os.utime(picture(tmp_path / directory / name, seed=seed), (0, 0))
    one, two = (folder.load(str(tmp_path / directory)) for directory in ("one", "two"))
    assert one.sha256 != two.sha256


def test_a_tree_replaced_in_place_is_decoded_again(tmp_path):
    shas = set()
    for seed in (1, 2):
        for name in ("train/a/x.bmp", "train/b/x.bmp"):
            os.utime(picture(tmp_path / "tree" / name, seed=seed), (0, 0))
        shas.add(folder.load(str(tmp_path / "tree")).sha256)
    assert len(shas) == 2
