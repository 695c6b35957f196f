"""A data set on the device: one uint8 copy for all members, and for each member the rows of its splits."""

from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from lsbench import rng
from lsbench.config import DataConfig
from lsbench.errors import UsageError
from lsbench.terms import SPLIT_NAMES, Splits

# Rows of each member in one evaluation step on a CPU: few enough that a convolution's outputs stay in its
# cache (measured: ResNet-8 takes three times as long with 4096), and enough for a stack of perceptrons.
EVALUATION_ROWS = 256


class DeviceDataset:
    """Images and labels on ``device``, split by each member's seed.

    ``images`` uint8 [N,C,H,W] and ``labels`` int64 [N] hold every row, with the source's test set last.
    ``rows[split]`` int64 [M,n] are each member's rows; members with the same seed have the same rows.
    Raises `UsageError` if the splits need more rows than there are.
    """

    def __init__(self, splits: Splits, config: DataConfig, seeds: Sequence[int], device: torch.device):
        sources = [(splits.train_images, splits.train_labels)]
        if splits.test_images is not None and splits.test_labels is not None:
            sources.append((splits.test_images, splits.test_labels))
        self.images = torch.cat([torch.from_numpy(images) for images, _ in sources]).to(device)
        self.labels = torch.cat([torch.from_numpy(labels) for _, labels in sources]).to(device)
        self.classes = len(splits.classes)
        distinct = sorted(set(seeds))
        by_seed = [split_rows(splits, config, seed) for seed in distinct]
        index = [distinct.index(seed) for seed in seeds]
        self.rows = {name: torch.stack([by_seed[i][name] for i in index]).to(device) for name in SPLIT_NAMES}
        self._mean, self._std = (moment[index].to(device) for moment in self._moments(by_seed))
        self._affine: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    def _moments(self, by_seed: Sequence[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over each seed's train split: float64 [seeds, C].

        Pixel sums are integers, so they are the same on every device.
        """
        chunks = (self.images[i : i + 4096].long().flatten(2) for i in range(0, len(self.images), 4096))
        sums = torch.cat([torch.stack([chunk.sum(-1), (chunk * chunk).sum(-1)]) for chunk in chunks], dim=1)
        sums = sums.cpu()
        pixels = self.images.shape[2] * self.images.shape[3]
        moments = [sums[:, rows["train"]].sum(1).double() / len(rows["train"]) / pixels for rows in by_seed]
        mean, mean_square = torch.stack(moments, dim=1)
        std = (mean_square - mean**2).clamp(min=0).sqrt()
        return mean, torch.where(std > 0, std, 1.0)

    def for_member(self, member: int) -> "DeviceDataset":
        """The data set of one member: its rows and normalisation, and the same images and labels."""
        single, index = copy(self), slice(member, member + 1)
        single.rows = {name: rows[index] for name, rows in self.rows.items()}
        single._mean, single._std, single._affine = self._mean[index], self._std[index], {}
        return single

    def images_at(self, rows: Tensor) -> Tensor:
        """The images at ``rows`` [M,B]: uint8 [M,B,C,H,W]."""
        # measured on a CPU: index_select on flat rows is several times faster than images[rows]
        flat = self.images.flatten(1).index_select(0, rows.flatten())
        return flat.view(*rows.shape, *self.images.shape[1:])

    def normalise(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Raw pixel values [M,B,C,H,W] to zero mean and unit standard deviation over the member's train
        split."""
        scale, offset = self._scale_and_offset(dtype)
        pixels = images.to(dtype)
        out = None if pixels is images else pixels  # a fresh copy is overwritten, the caller's images are not
        return torch.addcmul(offset, pixels, scale, out=out)

    def _scale_and_offset(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """1/std and -mean/std [M,1,C,1,1], cached for later steps."""
        if dtype not in self._affine:
            moments = (1 / self._std, -self._mean / self._std)
            scale, offset = (moment.to(dtype)[:, None, :, None, None] for moment in moments)
            self._affine[dtype] = scale, offset
        return self._affine[dtype]


def split_rows(splits: Splits, config: DataConfig, seed: int) -> dict[str, Tensor]:
    """The rows of each split for one seed: indices int64 [n] into the train images followed by the test
    images.

    Splits are stratified: each class has its share of each split, to within one row.
    """
    root = rng.key(torch.tensor(seed), "split")
    train_labels = torch.from_numpy(splits.train_labels)
    order = stratified_order(train_labels, rng.fold(root, 0))
    sizes = split_sizes(splits, config)
    ends = np.cumsum(list(sizes.values())).tolist()
    rows = {name: order[end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}
    if splits.test_labels is not None:
        labels = torch.from_numpy(splits.test_labels)
        sample = stratified_order(labels, rng.fold(root, 1))[: config.test].sort().values
        rows["test"] = len(order) + (torch.arange(len(labels)) if config.test is None else sample)
    return rows


def split_sizes(splits: Splits, config: DataConfig) -> dict[str, int]:
    """The number of train images in each split; test is among them if the source has no test set of its own.

    Raises `UsageError` if there are not enough images.
    """
    rows = len(splits.train_labels)
    sizes = {"select": config.select, "calibrate": config.calibrate}
    if splits.test_labels is None:  # a sixth, the ratio of CIFAR-10, unless configured
        sizes["test"] = config.test or rows // 6
    elif config.test is not None and config.test > len(splits.test_labels):
        raise UsageError(
            f"data.test={config.test}: data={config.name} has {len(splits.test_labels)} test rows"
        )
    remaining = rows - sum(sizes.values())
    sizes["train"] = remaining if config.train is None else config.train
    if not 0 < sizes["train"] <= remaining:
        requested = ", ".join(f"{name} {size}" for name, size in sizes.items() if size > 0)
        hint = _sizes_that_fit(config, sizes, rows)
        raise UsageError(f"data={config.name}: {requested} do not fit into its {rows} rows; {hint}")
    return sizes


def _sizes_that_fit(config: DataConfig, sizes: dict[str, int], rows: int) -> str:
    """The settings to lower, with values at which each split gets some of ``rows``."""
    limits = {"select": max(rows // 10, 1), "calibrate": max(rows // 10, 1), "test": rows // 6}
    lowered = [f"data.{name}={limit}" for name, limit in limits.items() if sizes.get(name, 0) > limit]
    if config.train is not None:
        lowered.append("data.train=null")
    return f"try {' '.join(lowered)}" if rows > 5 else "more images are needed"


def stratified_order(labels: Tensor, key: Tensor) -> Tensor:
    """A random order of the rows in which every contiguous range has the classes in proportion: int64 [N].

    Row j of a class with n rows, in random order, gets the relative position (j + u)/n, with u random in [0,
    1).
    """
    shuffled = rng.permutation(rng.fold(key, 0), len(labels))
    by_class = shuffled[torch.sort(labels[shuffled], stable=True).indices]
    counts = torch.bincount(labels)
    within = torch.cat([torch.arange(int(count)) for count in counts])
    position = (within + rng.uniform(rng.fold(key, 1), len(labels))) / counts[labels[by_class]]
    return by_class[torch.sort(position, stable=True).indices]
