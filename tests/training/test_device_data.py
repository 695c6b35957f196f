import numpy as np
import pytest
import torch

from lsbench import rng
from lsbench.config import DataConfig
from lsbench.errors import UsageError
from lsbench.terms import SPLIT_NAMES, Splits
from lsbench.training.device_data import DeviceDataset, split_rows, stratified_order

CPU = torch.device("cpu")


def config(**sizes):
    return DataConfig("tiny", "tests.tiny", **({"select": 50, "calibrate": 30} | sizes))


def uneven(test=0):
    """300 rows of four classes with 150, 90, 45 and 15 rows; each image contains its row number."""
    random = np.random.default_rng(1)
    labels = random.permutation(np.repeat([0, 1, 2, 3], [150, 90, 45, 15]))
    images = np.zeros((300, 2, 3, 4), np.uint8)
    images[:, 0] = (np.arange(300) % 256)[:, None, None]
    images[:, 1] = random.integers(0, 256, (300, 3, 4))
    test_set = (images[:test], labels[:test]) if test else (None, None)
    return Splits(images, labels, *test_set, ("a", "b", "c", "d"))


def test_splits_are_disjoint_have_the_configured_sizes_and_cover_all_rows():
    rows = split_rows(uneven(), config(test=60), seed=3)
    assert {name: len(rows[name]) for name in SPLIT_NAMES} == {
        "train": 160,
        "select": 50,
        "calibrate": 30,
        "test": 60,
    }
    assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(300))


@pytest.mark.parametrize("seed", range(5))
def test_every_split_is_stratified(seed):
    splits = uneven()
    for rows in split_rows(splits, config(test=60), seed).values():
        counts = np.bincount(splits.train_labels[rows], minlength=4)
        assert np.abs(counts - len(rows) * np.array([0.5, 0.3, 0.15, 0.05])).max() <= 1.0001


def test_splits_are_reproducible_and_differ_between_seeds():
    rows, same_seed, other_seed = (split_rows(uneven(), config(test=60), seed) for seed in (3, 3, 4))
    assert all(torch.equal(rows[name], same_seed[name]) for name in SPLIT_NAMES)
    assert not any(torch.equal(rows[name], other_seed[name]) for name in SPLIT_NAMES)


def test_all_rows_of_a_class_are_equally_likely_in_test():
    splits = uneven()
    tested = np.zeros(300)
    for seed in range(400):
        tested[split_rows(splits, config(test=60), seed)["test"]] += 1
    expected = 400 * 60 / 300
    assert abs(tested.mean() - expected) < 1e-9
    spread = np.sqrt(400 * 0.2 * 0.8)
    assert np.abs(tested - expected).max() < 5 * spread


def test_a_source_test_set_is_the_test_split_of_every_seed():
    splits = uneven(test=40)
    for seed in (0, 1):
        rows = split_rows(splits, config(), seed)
        assert torch.equal(rows["test"], torch.arange(300, 340))
        assert len(rows["train"]) == 220 and max(map(int, rows["train"])) < 300


def test_the_test_split_may_be_part_of_the_source_test_set():
    rows = split_rows(uneven(test=40), config(test=20), seed=0)["test"]
    assert len(rows) == 20 == len(set(rows.tolist())) and rows.min() >= 300


def test_the_train_split_may_be_smaller():
    assert len(split_rows(uneven(), config(test=60, train=100), seed=0)["train"]) == 100


@pytest.mark.parametrize("sizes", [{"select": 300}, {"train": 161, "test": 60}, {"test": 220}])
def test_too_many_rows_are_a_usage_error(sizes):
    with pytest.raises(UsageError, match="300 rows"):
        split_rows(uneven(), config(**sizes), seed=0)


def test_too_many_test_rows_are_a_usage_error():
    with pytest.raises(UsageError, match=r"data\.test=41"):
        split_rows(uneven(test=40), config(test=41), seed=0)


def test_normalised_train_images_have_mean_0_and_deviation_1_for_each_member():
    data = DeviceDataset(uneven(), config(test=60), [0, 1], CPU)
    images = data.normalise(data.images_at(data.rows["train"]), torch.float64)
    assert torch.allclose(images.mean((1, 3, 4)), torch.zeros(2, 2, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(images.std((1, 3, 4), correction=0), torch.ones(2, 2, dtype=torch.float64))


def test_a_blank_channel_does_not_divide_by_zero():
    splits = uneven()
    splits.train_images[:, 1] = 7
    data = DeviceDataset(splits, config(test=60), [0], CPU)
    assert data.normalise(data.images_at(data.rows["test"]), torch.float32)[:, :, 1].abs().max() == 0


def test_images_at_returns_the_images_of_the_rows():
    data = DeviceDataset(uneven(), config(test=60), [0, 1], CPU)
    rows = torch.tensor([[3, 299], [0, 17]])
    assert data.images_at(rows)[:, :, 0, 0, 0].tolist() == [[3, 299 % 256], [0, 17]]
    assert data.images.dtype == torch.uint8


def test_stratified_order_is_a_permutation_with_stratified_ranges():
    labels = torch.tensor([0] * 90 + [1] * 10)
    order = stratified_order(labels, rng.key(torch.tensor(0), "split"))
    assert sorted(order.tolist()) == list(range(100))
    assert all(int(labels[part].sum()) in (0, 1, 2) for part in torch.split(order, 10))
