"""How tightly the penultimate layer gathers each class (Müller, Kornblith & Hinton 2019, figure 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lsbench.errors import UsageError
from lsbench.probes._probe import Probe
from lsbench.training.trained_model import CHUNK, TrainedModel

# Of each split: the scatter of 256 units is well determined by it, and a pass over CIFAR-10 takes seconds.
ROWS = 10_000
COLUMNS = tuple("within_between within_between_train within_between_plane within_between_plane_train".split())


def measure(subject: TrainedModel) -> dict[str, float]:
    """`within_between` of the test rows and of the train rows, in the whole layer and in the plane of all
    templates, which is all that the last layer sees but for the part that moves every logit alike."""
    whole, seen = [], []
    for split in ("test", "train"):
        pixels, labels = subject.sample(split, ROWS)
        activations, head = penultimate(subject, pixels)
        whole.append(within_between(activations, labels))
        seen.append(within_between(_with_one(activations, head) @ basis(templates(head)), labels))
    return dict(zip(COLUMNS, [*whole, *seen], strict=True))


def within_between(points: Tensor, labels: Tensor) -> float:
    """Trace of the within-class scatter over that of the between-class scatter, over all classes that occur.

    Σ_i |x_i − m_{y_i}|² / Σ_i |m_{y_i} − m|² for points [N,D] and labels [N], with class means m_k and the
    mean of all m. With K classes it is (N−K)/(K−1) over the index of Caliński & Harabasz (1974), and does not
    change with the scale of the layer. Infinite where the class means coincide; NaN where all points do.
    """
    points = points.double()
    present, member = torch.unique(labels, return_inverse=True)
    counts = torch.bincount(member).double()
    sums = points.new_zeros(len(present), points.shape[1]).index_add(0, member, points)
    means = sums / counts[:, None]
    within = (points - means[member]).square().sum()
    between = (counts * (means - points.mean(0)).square().sum(1)).sum()
    return (within / between).item()


def penultimate(subject: TrainedModel, pixels: Tensor) -> tuple[Tensor, nn.Linear]:
    """The inputs [N,D] of the model's last Linear for pixels [N,C,H,W], and that layer.

    Raises `UsageError` for a model whose logits do not come straight out of a Linear.
    """
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    linear = [module for module in subject.model.modules() if isinstance(module, nn.Linear)]
    hooks = [
        module.register_forward_hook(lambda layer, given, out: calls.append((layer, given[0], out)))
        for module in linear
    ]
    parts = []
    try:
        for part in torch.split(pixels, CHUNK):
            calls.clear()
            logits = subject.forward(part)
            if not calls or calls[-1][2] is not logits or calls[-1][1].ndim != 2:
                raise UsageError(
                    "geometry: the model's last layer is no Linear on [B,D], so it has no templates"
                )
            parts.append(calls[-1][1])
    finally:
        for hook in hooks:
            hook.remove()
    head = calls[-1][0]
    assert isinstance(head, nn.Linear)
    return torch.cat(parts), head


@dataclass(frozen=True)
class Projection:
    """Points [N,2] of three classes in the plane of their templates, and the class's number of each [N], by
    split. ``classes`` are the three by number, with their names."""

    classes: dict[int, str]
    points: dict[str, Tensor]
    labels: dict[str, Tensor]


def project(subject: TrainedModel, classes: Sequence[int], most: int) -> Projection:
    """At most ``most`` rows of each of three ``classes``, by their numbers, in train and in test.

    As in the paper: the plane through the three templates, which are the last layer's rows with their biases;
    an orthonormal basis of it; activations, with 1 appended for the bias, projected on it. The first axis
    runs from the first template to the second, and the third template is above it.
    """
    points, labels = {}, {}
    for split in ("train", "test"):
        pixels, labelled = subject.sample(split, ROWS)
        kept = torch.cat([(labelled == number).nonzero()[:most, 0] for number in classes])
        activations, head = penultimate(subject, pixels[kept])
        points[split] = _with_one(activations, head) @ basis(templates(head)[list(classes)])
        labels[split] = labelled[kept]
    return Projection({number: subject.classes[number] for number in classes}, points, labels)


def templates(head: nn.Linear) -> Tensor:
    """A row for each class: its weights, and its bias where the layer has one, float64 [K,D] or [K,D+1]."""
    rows = [head.weight] if head.bias is None else [head.weight, head.bias[:, None]]
    return torch.cat(rows, dim=1).double()


def _with_one(activations: Tensor, head: nn.Linear) -> Tensor:
    ones = activations.new_ones(len(activations), 0 if head.bias is None else 1)
    return torch.cat([activations, ones], dim=1).double()


def basis(points: Tensor) -> Tensor:
    """An orthonormal basis [D,K−1] of the directions in the plane through K points [K,D], by Gram-Schmidt on
    the lines from the first point to the others; [D,D] where that is less."""
    orthonormal, upper = torch.linalg.qr((points[1:] - points[0]).T)
    turned: Tensor = orthonormal * torch.where(upper.diagonal() < 0, -1.0, 1.0)  # LAPACK leaves signs open
    return turned


NOTE = "w/b: scatter of the penultimate layer within classes over that between; plane: of the templates."
PROBE = Probe(COLUMNS, measure, shown=("within_between", "within_between_plane"), note=NOTE)
