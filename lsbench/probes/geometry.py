"""Tightness of the class clusters in the penultimate layer (Müller, Kornblith & Hinton 2019, figure 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lsbench.errors import UsageError
from lsbench.probes._probe import Probe
from lsbench.training.device_data import EVALUATION_ROWS
from lsbench.training.trained_model import TrainedModel

# Rows of each split: enough to determine the scatter of 256 units well, and seconds on CIFAR-10.
ROWS = 10_000
COLUMNS = tuple("within_between within_between_train within_between_plane within_between_plane_train".split())


def measure(model: TrainedModel) -> dict[str, float]:
    """`within_between` of the test rows and of the train rows, in the whole layer and in the plane of all
    templates. Activations outside that plane shift all logits alike, so they do not affect predictions."""
    whole, plane = [], []
    for split in ("test", "train"):
        pixels, labels = model.sample(split, ROWS)
        activations, head = penultimate(model, pixels)
        whole.append(within_between(activations, labels))
        plane.append(within_between(_with_one(activations, head) @ basis(templates(head)), labels))
    return dict(zip(COLUMNS, [*whole, *plane], strict=True))


def within_between(points: Tensor, labels: Tensor) -> float:
    """Trace of the within-class scatter over that of the between-class scatter, for the classes in
    ``labels``.

    Σ_i |x_i − m_{y_i}|² / Σ_i |m_{y_i} − m|² for points [N,D] and labels [N], with class means m_k and the
    mean of all m. With K classes it is (N−K)/(K−1) over the index of Caliński & Harabasz (1974), and does not
    change with the scale of the layer. Infinite if the class means coincide; NaN if all points do.
    """
    points = points.double()
    present, member = torch.unique(labels, return_inverse=True)
    counts = torch.bincount(member).double()
    sums = points.new_zeros(len(present), points.shape[1]).index_add(0, member, points)
    means = sums / counts[:, None]
    within = (points - means[member]).square().sum()
    between = (counts * (means - points.mean(0)).square().sum(1)).sum()
    return (within / between).item()


def penultimate(model: TrainedModel, pixels: Tensor) -> tuple[Tensor, nn.Linear]:
    """The inputs [N,D] of the model's last Linear for pixels [N,C,H,W], and that layer.

    Raises `UsageError` for a model whose logits are not the output of a Linear.
    """
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    linear = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    hooks = [
        module.register_forward_hook(lambda layer, inputs, out: calls.append((layer, inputs[0], out)))
        for module in linear
    ]
    activations = []
    try:
        for chunk in torch.split(pixels, EVALUATION_ROWS):
            calls.clear()
            logits = model.forward(chunk)
            if not calls or calls[-1][2] is not logits or calls[-1][1].ndim != 2:
                raise UsageError(
                    "geometry: the model's last layer is not a Linear on [B,D], so it has no templates"
                )
            activations.append(calls[-1][1])
    finally:
        for hook in hooks:
            hook.remove()
    head = calls[-1][0]
    assert isinstance(head, nn.Linear)
    return torch.cat(activations), head


@dataclass(frozen=True)
class Projection:
    """Points [N,2] of three classes in the plane of their templates, and the class index [N] of each, by
    split. ``classes`` are the names of the three classes by index."""

    classes: dict[int, str]
    points: dict[str, Tensor]
    labels: dict[str, Tensor]


def project(model: TrainedModel, classes: Sequence[int], most: int) -> Projection:
    """Project the activations of at most ``most`` rows of each of three ``classes``, by index, in train and
    in test.

    As in the paper: templates are the last layer's rows with their biases, and activations have a 1 appended
    for the bias; activations are projected on an orthonormal basis of the plane through the three templates.
    The first axis runs from the first template to the second, and the third template lies above it.
    """
    points, labels = {}, {}
    for split in ("train", "test"):
        pixels, sample_labels = model.sample(split, ROWS)
        rows = torch.cat([(sample_labels == index).nonzero()[:most, 0] for index in classes])
        activations, head = penultimate(model, pixels[rows])
        points[split] = _with_one(activations, head) @ basis(templates(head)[list(classes)])
        labels[split] = sample_labels[rows]
    return Projection({index: model.classes[index] for index in classes}, points, labels)


def templates(head: nn.Linear) -> Tensor:
    """The weights of each class, with its bias if the layer has one: float64 [K,D] or [K,D+1]."""
    rows = [head.weight] if head.bias is None else [head.weight, head.bias[:, None]]
    return torch.cat(rows, dim=1).double()


def _with_one(activations: Tensor, head: nn.Linear) -> Tensor:
    ones = activations.new_ones(len(activations), 0 if head.bias is None else 1)
    return torch.cat([activations, ones], dim=1).double()


def basis(points: Tensor) -> Tensor:
    """An orthonormal basis [D,min(D,K−1)] of the directions in the plane through K points [K,D], by
    Gram-Schmidt on the lines from the first point to the others."""
    orthonormal, upper = torch.linalg.qr((points[1:] - points[0]).T)
    signs = torch.where(upper.diagonal() < 0, -1.0, 1.0)  # those of LAPACK are arbitrary
    oriented: Tensor = orthonormal * signs
    return oriented


NOTE = "w/b: scatter of the penultimate layer within classes over that between; plane: of the templates."
PROBE = Probe(COLUMNS, measure, shown=("within_between", "within_between_plane"), note=NOTE)
