"""lsbench.data.load: from a configuration to checked splits."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from lsbench import conf_dir, data
from lsbench.config import DataConfig
from lsbench.data import mnist
from lsbench.errors import DataError, UsageError
from lsbench.terms import Splits

GOOD = Splits(
    train_images=np.zeros((4, 1, 2, 2), np.uint8),
    train_labels=np.array([0, 1, 0, 1]),
    test_images=np.zeros((2, 1, 2, 2), np.uint8),
    test_labels=np.array([1, 0]),
    classes=("a", "b"),
)


@pytest.mark.parametrize("path", sorted((conf_dir() / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_yaml_names_itself_and_a_loader(path):
    config = DataConfig(**yaml.safe_load(path.read_text()))
    assert config.name == path.stem
    assert callable(data._source(config._target_))


def test_loads_through_the_configuration():
    splits = data.load(DataConfig(name="mnist5k", _target_="lsbench.data.mnist5k.load"))
    assert splits.train_images.shape == (5000, 1, 28, 28)


@pytest.mark.parametrize("target", ["lsbench.data.nothing.load", "lsbench.data.mnist.no", "", "lsbench.data"])
def test_unknown_target(target):
    with pytest.raises(UsageError, match=r"data\._target_="):
        data.load(DataConfig(name="x", _target_=target))


@pytest.mark.parametrize("options", [{"size": 3}, {"root": "elsewhere"}])
def test_unknown_option(options):
    with pytest.raises(UsageError, match=r"data\.options of mnist"):
        data.load(DataConfig(name="mnist", _target_="lsbench.data.mnist.load", options=options))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a",), "train_labels": np.zeros(4, np.int64)}, "at least 2"),
        ({"train_images": np.zeros((4, 1, 2, 2), np.float32)}, "train images are float32"),
        ({"train_images": np.zeros((4, 2, 2), np.uint8)}, "train images are uint8"),
        ({"train_labels": np.zeros(4, np.int32)}, "train labels are int32"),
        ({"train_labels": np.zeros(3, np.int64)}, "train labels are int64"),
        ({"train_labels": np.array([0, 1, 2, 0])}, "from 0 to 1"),
        ({"test_labels": np.array([-1, 0])}, "from 0 to 1"),
        ({"test_images": np.zeros((2, 1, 3, 3), np.uint8)}, "test images are uint8"),
        ({"test_images": None}, "both test images and test labels"),
    ],
)
def test_load_checks_shapes_types_and_labels(monkeypatch, change, message):
    config = DataConfig(name="own", _target_="lsbench.data.mnist.load")
    monkeypatch.setattr(mnist, "load", lambda root: GOOD)
    assert data.load(config) is GOOD
    monkeypatch.setattr(mnist, "load", lambda root: replace(GOOD, **change))
    with pytest.raises(DataError, match=message):
        data.load(config)


def test_something_else_than_splits(monkeypatch):
    monkeypatch.setattr(mnist, "load", lambda root: [GOOD])
    with pytest.raises(DataError, match="returned no Splits"):
        data.load(DataConfig(name="own", _target_="lsbench.data.mnist.load"))


def test_options_reach_the_loader(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (6, 5)).save(tmp_path / "train" / name / "x.png")
    config = DataConfig("folder", "lsbench.data.folder.load", root=str(tmp_path), options={"size": 4})
    assert data.load(config).train_images.shape == (2, 3, 4, 4)
