"""The usual training script, for `bench_sweep.py`: torchvision's data set of PIL images and its transforms, a
DataLoader, an nn.Module, torch.optim.SGD and F.cross_entropy(label_smoothing=...)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lsbench import models
from lsbench.config import Run
from lsbench.terms import Splits
from lsbench.training.device_data import split_rows


class Digits(Dataset[tuple[Tensor, int]]):
    """Like torchvision.datasets.MNIST: uint8 [N,H,W] in memory, a PIL image through ``transform``."""

    def __init__(self, data: Tensor, targets: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.data, self.targets, self.transform = data, targets, transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data[index].numpy())
        return self.transform(image), int(self.targets[index])


def train(run: Run, splits: Splits, workers: int = 0) -> float:
    """Train ``run`` on lsbench's split for its seed, evaluating on select each epoch; the test accuracy.

    Weights and the order of batches are drawn from torch's generator, so they differ from lsbench's.
    """
    torch.manual_seed(run.seed)
    loaders = _loaders(run, splits, workers)
    model = models.build(run.model, splits.train_images.shape[1:], len(splits.classes))
    optimizer = torch.optim.SGD(
        model.parameters(), run.lr, run.optim.momentum, weight_decay=run.weight_decay, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, run.epochs * len(loaders["train"]))
    for _ in range(run.epochs):
        model.train()
        for images, labels in loaders["train"]:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels, label_smoothing=run.alpha)
            loss.backward()
            optimizer.step()
            scheduler.step()
        evaluate(model, loaders["select"])
    return evaluate(model, loaders["test"])


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> float:
    """Accuracy over ``loader``."""
    model.eval()
    right = rows = 0
    for images, labels in loader:
        right += int((model(images).argmax(1) == labels).sum())
        rows += len(labels)
    return right / rows


def _loaders(run: Run, splits: Splits, workers: int) -> dict[str, DataLoader[tuple[Tensor, int]]]:
    rows = split_rows(splits, run.data, run.seed)
    images, labels = torch.from_numpy(splits.train_images), torch.from_numpy(splits.train_labels)
    if splits.test_images is not None and splits.test_labels is not None:
        images = torch.cat([images, torch.from_numpy(splits.test_images)])
        labels = torch.cat([labels, torch.from_numpy(splits.test_labels)])
    images = images.squeeze(1)
    pixels = images[rows["train"]] / 255
    normalize = transforms.Normalize((pixels.mean().item(),), (pixels.std().item(),))
    transform = transforms.Compose([transforms.ToTensor(), normalize])
    return {
        split: DataLoader(
            Digits(images[rows[split]], labels[rows[split]], transform),
            run.batch_size if split == "train" else 1000,
            shuffle=split == "train",
            num_workers=workers,
        )
        for split in ("train", "select", "test")
    }
