"""The data on the device: one uint8 copy for all members, and for each member the rows of its splits."""

from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from lsbench import rng
from lsbench.config import DataConfig
from lsbench.errors import UsageError
from lsbench.terms import SPLIT_NAMES, Splits


class DeviceDataset:
    """Images and labels on ``device``, divided by each member's seed.

    ``images`` uint8 [N,C,H,W] and ``labels`` int64 [N] hold every row, the source's own test set last.
    ``rows[split]`` int64 [M,n] are each member's rows. Members with one seed have the same rows.
    Raises `UsageError` where the splits ask for more rows than there are.
    """

    def __init__(self, splits: Splits, config: DataConfig, seeds: Sequence[int], device: torch.device):
        parts = [(splits.train_images, splits.train_labels)]
        if splits.test_images is not None and splits.test_labels is not None:
            parts.append((splits.test_images, splits.test_labels))
        self.images = torch.cat([torch.from_numpy(images) for images, _ in parts]).to(device)
        self.labels = torch.cat([torch.from_numpy(labels) for _, labels in parts]).to(device)
        self.classes = len(splits.classes)
        distinct = sorted(set(seeds))
        divided = [split_rows(splits, config, seed) for seed in distinct]
        member = [distinct.index(seed) for seed in seeds]
        self.rows = {name: torch.stack([divided[i][name] for i in member]).to(device) for name in SPLIT_NAMES}
        self._mean, self._std = (moment[member].to(device) for moment in self._moments(divided))
        self._affine: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    def _moments(self, divided: Sequence[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over each seed's own train split: float64 [seeds, C].

        Pixel sums are whole numbers, so they are the same on every device.
        """
        parts = (self.images[i : i + 4096].long().flatten(2) for i in range(0, len(self.images), 4096))
        sums = torch.cat([torch.stack([part.sum(-1), (part * part).sum(-1)]) for part in parts], dim=1).cpu()
        pixels = self.images.shape[2] * self.images.shape[3]
        of_seeds = [sums[:, rows["train"]].sum(1).double() / len(rows["train"]) / pixels for rows in divided]
        first, second = torch.stack(of_seeds, dim=1)
        std = (second - first**2).clamp(min=0).sqrt()
        return first, torch.where(std > 0, std, 1.0)

    def for_member(self, member: int) -> "DeviceDataset":
        """The same images and labels, with the rows and the normalisation of one member alone."""
        own, at = copy(self), slice(member, member + 1)
        own.rows = {name: rows[at] for name, rows in self.rows.items()}
        own._mean, own._std, own._affine = self._mean[at], self._std[at], {}
        return own

    def images_at(self, rows: Tensor) -> Tensor:
        """The images at ``rows`` [M,B]: uint8 [M,B,C,H,W]."""
        # measured on a CPU: index_select on flat rows is several times faster than images[rows]
        flat = self.images.flatten(1).index_select(0, rows.flatten())
        return flat.view(*rows.shape, *self.images.shape[1:])

    def normalise(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Raw pixel values [M,B,C,H,W] to zero mean and unit deviation over the member's train split."""
        scale, offset = self._scale_and_offset(dtype)
        pixels = images.to(dtype)
        into = None if pixels is images else pixels  # what a method has mixed is its own
        return torch.addcmul(offset, pixels, scale, out=into)

    def _scale_and_offset(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """1/std and -mean/std [M,1,C,1,1], kept from step to step."""
        if dtype not in self._affine:
            moments = (1 / self._std, -self._mean / self._std)
            scale, offset = (moment.to(dtype)[:, None, :, None, None] for moment in moments)
            self._affine[dtype] = scale, offset
        return self._affine[dtype]


def split_rows(splits: Splits, config: DataConfig, seed: int) -> dict[str, Tensor]:
    """Each split's rows for one seed: int64 [n] into the train images followed by the test images.

    Stratified: each class has its share of each split, give or take one row.
    """
    root = rng.key(torch.tensor(seed), "split")
    train_labels = torch.from_numpy(splits.train_labels)
    order = stratified_order(train_labels, rng.fold(root, 0))
    sizes = split_sizes(splits, config)
    ends = np.cumsum(list(sizes.values())).tolist()
    rows = {name: order[end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}
    if splits.test_labels is not None:
        labels = torch.from_numpy(splits.test_labels)
        part = stratified_order(labels, rng.fold(root, 1))[: config.test].sort().values
        rows["test"] = len(order) + (torch.arange(len(labels)) if config.test is None else part)
    return rows


def split_sizes(splits: Splits, config: DataConfig) -> dict[str, int]:
    """How many of the train images each split takes; test is among them where the source has no test set.

    Raises `UsageError` where they do not fit.
    """
    rows = len(splits.train_labels)
    sizes = {"select": config.select, "calibrate": config.calibrate}
    if splits.test_labels is None:  # a sixth, as MNIST and CIFAR-10 have it, unless the yaml says otherwise
        sizes["test"] = config.test or rows // 6
    elif config.test is not None and config.test > len(splits.test_labels):
        raise UsageError(
            f"data.test={config.test}: data={config.name} has {len(splits.test_labels)} test rows"
        )
    remaining = rows - sum(sizes.values())
    sizes["train"] = remaining if config.train is None else config.train
    if not 0 < sizes["train"] <= remaining:
        asked = ", ".join(f"{name} {size}" for name, size in sizes.items() if size > 0)
        raise UsageError(f"data={config.name}: {asked} do not fit into its {rows} rows")
    return sizes


def stratified_order(labels: Tensor, key: Tensor) -> Tensor:
    """A random order of the rows in which every stretch holds the classes in proportion: int64 [N].

    Row j of a class with n rows, in random order, goes to (j + u)/n of the way, u random in [0, 1).
    """
    shuffled = rng.permutation(rng.fold(key, 0), len(labels))
    by_class = shuffled[torch.sort(labels[shuffled], stable=True).indices]
    counts = torch.bincount(labels)
    within = torch.cat([torch.arange(int(count)) for count in counts])
    place = (within + rng.uniform(rng.fold(key, 1), len(labels))) / counts[labels[by_class]]
    return by_class[torch.sort(place, stable=True).indices]
