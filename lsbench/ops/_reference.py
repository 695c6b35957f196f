"""The smoothed loss in plain PyTorch: the reference of the kernels, and what small inputs, torch.compile,
second derivatives and devices without a kernel use."""

import math
from typing import NamedTuple, overload

import torch
import torch.nn.functional as F
from torch import Tensor

# So few classes are faster along the first axis on a CPU, where softmax has several rows at once (_cpu.py).
FEW = 64


class Rows(NamedTuple):
    """What the losses of N rows are made of: ``logits`` [N,K]; ``target`` int64 [N]; ``alpha``, a number, []
    or [N], which with the ``convention`` makes them probabilities; ``weight`` [K] of the classes; and the
    label of rows that do not count."""

    logits: Tensor
    target: Tensor
    alpha: float | Tensor
    convention: str
    weight: Tensor | None
    ignore_index: int

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in, and what losses are returned in: float32 for half precision."""
        half = self.logits.dtype in (torch.float16, torch.bfloat16)
        return torch.float32 if half else self.logits.dtype

    @property
    def smooth(self) -> bool:
        """Whether the smoothing term counts: at the number 0, infinite logits cost nothing."""
        return isinstance(self.alpha, Tensor) or self.alpha > 0

    def terms(self) -> tuple[float | Tensor, float | Tensor]:
        """``on`` and ``spread`` of the target."""
        return target_terms(self.alpha, self.logits.shape[1], self.convention)


@overload
def target_terms(alpha: Tensor, classes: int, convention: str) -> tuple[Tensor, Tensor]: ...


@overload
def target_terms(
    alpha: float | Tensor, classes: int, convention: str
) -> tuple[float | Tensor, float | Tensor]: ...


def target_terms(
    alpha: float | Tensor, classes: int, convention: str
) -> tuple[float | Tensor, float | Tensor]:
    """``on`` and ``spread`` of the target q = on·onehot(y) + spread, each of alpha's shape."""
    spread = alpha / (classes - 1 if convention == "others" else classes)
    return (1 - alpha if convention == "uniform" else 1 - alpha - spread), spread


def labels(rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
    """Labels [N] that are all those of classes; which rows are ignored [N]; and on a GPU which have a wrong
    label [N]. A CPU makes an error of such a label; a GPU would have to be waited for."""
    ignored = rows.target == rows.ignore_index
    if on_cpu(rows.logits):
        return rows.target.masked_fill(ignored, 0), ignored, None
    wrong = ~ignored & ((rows.target < 0) | (rows.target >= rows.logits.shape[1]))
    return rows.target.masked_fill(ignored | wrong, 0), ignored, wrong


def divisor(rows: Rows) -> Tensor:
    """What a mean divides by: the number of rows that are not ignored, or the sum of weight[target] there."""
    label, ignored, _ = labels(rows)
    if rows.weight is None:
        return (~ignored).sum()
    return rows.weight[label].masked_fill(ignored, 0.0).sum()


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def losses(rows: Rows) -> Tensor:
    """The loss of each row [N]: on a GPU NaN for a label outside [0,K). Raises IndexError for it on a CPU."""
    label, ignored, wrong = labels(rows)
    log_probs = F.log_softmax(rows.logits, dim=-1, dtype=rows.dtype)
    on, spread = rows.terms()
    loss = on * F.nll_loss(log_probs, label, rows.weight, reduction="none")
    if rows.smooth:
        loss = loss - spread * (log_probs if rows.weight is None else log_probs * rows.weight).sum(-1)
    loss = loss.masked_fill(ignored, 0.0)
    return (
        loss if wrong is None else loss * torch.ones_like(loss).masked_fill(wrong, math.nan)
    )  # logit_grad too


def small(rows: Rows, reduction: str) -> Tensor | None:
    """The losses [N], or their mean or sum [], of few rows on a CPU by as few operations as they need, or
    None where that is as many as `losses` has.

    Where all rows and classes weigh the same it is the product of target and log-probabilities: two thirds
    of the time of PyTorch's loss, which else is the fastest, where it knows the target.
    """
    if rows.smooth and rows.weight is None:
        least, largest = map(int, rows.target.aminmax()) if len(rows.target) else (0, -1)
        inside = 0 <= least <= largest < rows.logits.shape[1]
        if inside and not least <= rows.ignore_index <= largest:
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
    axis = 0 if rows.logits.shape[1] < FEW else 1
    log_probs = F.log_softmax(rows.logits if axis else rows.logits.t(), dim=axis, dtype=rows.dtype)
    on, spread = rows.terms()
    scale = -1 / len(rows.target) if reduction == "mean" else -1
    target = written(log_probs, axis, rows.target, (on + spread) * scale, spread * scale)
    if reduction == "none":
        return (target * log_probs).sum(axis)
    return torch.dot(target.view(-1), log_probs.reshape(-1))


def written(
    like: Tensor, axis: int, label: Tensor, here: float | Tensor, elsewhere: float | Tensor
) -> Tensor:
    """A target in the shape of ``like``, whose ``axis`` is that of the classes: ``here`` at the ``label``
    [N], ``elsewhere`` at the others; each a number, [] or [N], or for classes that differ the whole shape."""
    label = label.unsqueeze(axis)
    here, elsewhere = (
        value.unsqueeze(axis) if isinstance(value, Tensor) and value.ndim == 1 else value
        for value in (here, elsewhere)
    )
    full = elsewhere if isinstance(elsewhere, Tensor) else torch.full_like(like, elsewhere)
    return full.expand_as(like).scatter(
        axis, label, here.expand_as(label) if isinstance(here, Tensor) else here
    )


def logit_grad(grad: Tensor, rows: Rows) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]; itself differentiable.

    It is (on·w_y + spread·Σw)·softmax(z) − spread·w − on·w_y·onehot(y): without weights, and for the uniform
    convention, softmax(z) − q.
    """
    probs = F.softmax(rows.logits, dim=-1, dtype=rows.dtype)
    label, ignored, wrong = labels(rows)
    weight = torch.ones_like(probs[0]) if rows.weight is None else rows.weight
    grad = grad.to(rows.dtype).expand(len(label)).masked_fill(ignored, 0.0)
    if wrong is not None:
        grad = grad.masked_fill(wrong, math.nan)
    on, spread = rows.terms()
    own, rest = grad * on * weight[label], grad * spread
    slope = (own + rest * weight.sum())[:, None] * probs - rest[:, None] * weight
    return slope.scatter_add(1, label[:, None], -own[:, None]).to(rows.logits.dtype)


def alpha_grad(grad: Tensor, rows: Rows) -> Tensor:
    """The gradient of Σ grad·losses in each row's alpha [N], differentiable too: losses are linear in it."""
    smoothest = torch.ones_like(rows.target, dtype=rows.dtype)
    return grad * (losses(rows._replace(alpha=smoothest)) - losses(rows._replace(alpha=0.0)))
