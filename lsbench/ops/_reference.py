"""The smoothed loss in plain PyTorch: the reference for the kernels, and the implementation for small inputs,
torch.compile, second derivatives and devices without a kernel.

The target is q = peak·onehot(y) + off_value (see smoothed_ce.py), where peak = on_value − off_value.
"""

import math
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

# Below so many classes a CPU is faster with the classes on the first axis, where softmax computes several
# rows at once (_cpu.py).
FEW_CLASSES = 64

Number = TypeVar("Number", Tensor, float | Tensor)


class Rows(NamedTuple):
    """N rows to compute the loss of: ``logits`` [N,K]; ``target`` int64 [N]; ``alpha``, a number, [] or [N];
    the ``convention`` of smoothing; ``weight`` [K] of the classes; and the label of rows to ignore."""

    logits: Tensor
    target: Tensor
    alpha: float | Tensor
    convention: str
    weight: Tensor | None
    ignore_index: int

    @property
    def dtype(self) -> torch.dtype:
        """The type of the computation and of the losses: float32 for half precision."""
        half = self.logits.dtype in (torch.float16, torch.bfloat16)
        return torch.float32 if half else self.logits.dtype

    @property
    def smooth(self) -> bool:
        """False if the smoothing term is left out: at the number 0, so that infinite logits cost nothing."""
        return isinstance(self.alpha, Tensor) or self.alpha > 0

    def terms(self) -> tuple[float | Tensor, float | Tensor]:
        """``peak`` and ``off_value`` of the target."""
        return target_terms(self.alpha, self.logits.shape[1], self.convention)


def target_terms(alpha: Number, classes: int, convention: str) -> tuple[Number, Number]:
    """``peak`` and ``off_value`` of the target q = peak·onehot(y) + off_value, each of alpha's shape."""
    off_value = alpha / (classes - 1 if convention == "others" else classes)
    return (1 - alpha if convention == "uniform" else 1 - alpha - off_value), off_value


def labels(rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
    """Labels [N], all of them in [0,K); a mask of the ignored rows [N]; and on a GPU a mask of the rows with
    an invalid label [N]. A CPU raises for such a label; a GPU would have to synchronise."""
    ignored = rows.target == rows.ignore_index
    if on_cpu(rows.logits):
        return rows.target.masked_fill(ignored, 0), ignored, None
    invalid = ~ignored & ((rows.target < 0) | (rows.target >= rows.logits.shape[1]))
    return rows.target.masked_fill(ignored | invalid, 0), ignored, invalid


def divisor(rows: Rows) -> Tensor:
    """The divisor of a mean: the number of rows that are not ignored, or their sum of weight[target]."""
    label, ignored, _ = labels(rows)
    if rows.weight is None:
        return (~ignored).sum()
    return rows.weight[label].masked_fill(ignored, 0.0).sum()


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def losses(rows: Rows) -> Tensor:
    """The loss of each row [N]. For a label outside [0,K) it is NaN on a GPU; a CPU raises IndexError."""
    label, ignored, invalid = labels(rows)
    log_probs = F.log_softmax(rows.logits, dim=-1, dtype=rows.dtype)
    peak, off_value = rows.terms()
    loss = peak * F.nll_loss(log_probs, label, rows.weight, reduction="none")
    if rows.smooth:
        loss = loss - off_value * (log_probs if rows.weight is None else log_probs * rows.weight).sum(-1)
    loss = loss.masked_fill(ignored, 0.0)
    if invalid is None:
        return loss
    return loss * torch.ones_like(loss).masked_fill(invalid, math.nan)  # a product: NaN in the gradient too


def loss_with_least_overhead(rows: Rows, reduction: str) -> Tensor | None:
    """The losses [N], or their mean or sum [], of few rows on a CPU, with as few operations as possible; None
    if `losses` needs no more.

    If no row is ignored and classes have no weights, it is the product of the dense target and the
    log-probabilities, which takes two thirds of the time of PyTorch's loss. Otherwise PyTorch's loss is the
    fastest, for the targets that it supports.
    """
    if rows.smooth and rows.weight is None:
        least, largest = map(int, rows.target.aminmax()) if len(rows.target) else (0, -1)
        valid = 0 <= least <= largest < rows.logits.shape[1]
        if valid and not least <= rows.ignore_index <= largest:
            return _product(rows, reduction)
    if not isinstance(rows.alpha, Tensor) and (rows.convention == "uniform" or not rows.smooth):
        return F.cross_entropy(
            rows.logits.to(rows.dtype),
            rows.target,
            rows.weight,
            ignore_index=rows.ignore_index,
            reduction=reduction,
            label_smoothing=float(rows.alpha),
        )
    return None


def _product(rows: Rows, reduction: str) -> Tensor:
    axis = 0 if rows.logits.shape[1] < FEW_CLASSES else 1
    log_probs = F.log_softmax(rows.logits if axis else rows.logits.t(), dim=axis, dtype=rows.dtype)
    peak, off_value = rows.terms()
    scale = -1 / len(rows.target) if reduction == "mean" else -1
    target = dense_target(log_probs, axis, rows.target, (peak + off_value) * scale, off_value * scale)
    if reduction == "none":
        return (target * log_probs).sum(axis)
    return torch.dot(target.view(-1), log_probs.reshape(-1))


def dense_target(
    like: Tensor, axis: int, label: Tensor, on_value: float | Tensor, off_value: float | Tensor
) -> Tensor:
    """A target of the shape of ``like``, with the classes on ``axis``: ``on_value`` at the ``label`` [N] and
    ``off_value`` at the others; each a number, [] or [N], or for values that differ by class the full
    shape."""
    label = label.unsqueeze(axis)
    on_value, off_value = (
        value.unsqueeze(axis) if isinstance(value, Tensor) and value.ndim == 1 else value
        for value in (on_value, off_value)
    )
    full = off_value if isinstance(off_value, Tensor) else torch.full_like(like, off_value)
    source = on_value.expand_as(label) if isinstance(on_value, Tensor) else on_value
    return full.expand_as(like).scatter(axis, label, source)


def logit_grad(grad: Tensor, rows: Rows) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]; itself differentiable.

    It is (peak·w_y + off_value·Σw)·softmax(z) − off_value·w − peak·w_y·onehot(y): without weights, and for
    the uniform convention, softmax(z) − q.
    """
    probs = F.softmax(rows.logits, dim=-1, dtype=rows.dtype)
    label, ignored, invalid = labels(rows)
    weight = torch.ones_like(probs[0]) if rows.weight is None else rows.weight
    grad = grad.to(rows.dtype).expand(len(label)).masked_fill(ignored, 0.0)
    if invalid is not None:
        grad = grad.masked_fill(invalid, math.nan)
    peak, off_value = rows.terms()
    peak, off_value = grad * peak * weight[label], grad * off_value
    result = (peak + off_value * weight.sum())[:, None] * probs - off_value[:, None] * weight
    return result.scatter_add(1, label[:, None], -peak[:, None]).to(rows.logits.dtype)


def alpha_grad(grad: Tensor, rows: Rows) -> Tensor:
    """The gradient of Σ grad·losses in each row's alpha [N]; differentiable too, as losses are linear in
    alpha."""
    ones = torch.ones_like(rows.target, dtype=rows.dtype)
    return grad * (losses(rows._replace(alpha=ones)) - losses(rows._replace(alpha=0.0)))
