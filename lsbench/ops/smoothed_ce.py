"""Cross entropy against smoothed labels, with one alpha for all rows or one for each.

Three conventions share the name "label smoothing". With K classes and y the true one, the target q is

    uniform     (1−alpha)·onehot(y) + alpha/K           Szegedy et al. 2016 (arXiv:1512.00567), PyTorch
    others      1−alpha at y, alpha/(K−1) elsewhere     equals uniform with alpha·K/(K−1)
    as_printed  1−alpha at y, alpha/K elsewhere         a mistake, included to measure its effect

`as_printed` is the widely copied listing that fills a row with alpha/K and then overwrites the true class.
Its rows sum to 1−alpha/K instead of 1, so its gradient is (1−alpha/K)·softmax(z) − q, not softmax(z) − q.

All three are q = peak·onehot(y) + off_value, so the loss is −peak·log p_y − off_value·Σ_k log p_k. The target
is on_value = peak + off_value at y and off_value at the other classes.
"""

import torch
from torch import Tensor, nn

from lsbench.ops import _dispatch, _reference
from lsbench.ops._reference import Rows, target_terms
from lsbench.terms import CONVENTIONS

__all__ = ["SmoothedCrossEntropy", "loss_and_gradient", "smoothed_cross_entropy", "target_terms"]

REDUCTIONS = ("none", "mean", "sum")


def smoothed_cross_entropy(
    logits: Tensor,
    target: Tensor,
    alpha: float | Tensor,
    *,
    convention: str = "uniform",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The loss of ``logits`` [N,K] against ``target`` int64 [N]: [N] for reduction none, else [].

    ``alpha`` is a number in [0,1), or a tensor [] or [N] whose range is not checked, since that would make a
    GPU wait. ``weight`` [K], ``ignore_index`` and ``reduction`` mean what they mean in
    `torch.nn.functional.cross_entropy`, which ``convention="uniform"`` equals: weights are inside the
    smoothing sum, and the mean divides by the sum of weight[target] over the rows that are not ignored (NaN
    where there are none). float16 and bfloat16 logits are accumulated, and their loss returned, in float32.

    A logit of −inf makes the smoothing term infinite (NaN where a tensor has alpha 0); only the number 0 for
    ``alpha`` leaves the term out.

    Raises ValueError for a wrong shape, type, device or setting, and on the CPU IndexError for a label
    outside [0,K) (RuntimeError under vmap and torch.compile); on a GPU such a label makes its row's loss
    and gradient NaN. On the CPU the gradient of a mean or a sum of many rows is computed with the loss and
    cached for the backward pass; autograd raises if the logits are modified in between.
    """
    _check_settings(alpha, convention, reduction)
    _check_tensors(logits, target, alpha, weight, convention)
    rows = _cast(Rows(logits, target, alpha, convention, weight, ignore_index))
    if _dispatch.is_small(rows):
        loss = _reference.loss_with_least_overhead(rows, reduction)
        if loss is not None:
            return loss
    loss = _dispatch.losses(rows, reduction)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / _reference.divisor(rows)


def loss_and_gradient(
    logits: Tensor,
    target: Tensor,
    alpha: float | Tensor,
    *,
    convention: str = "uniform",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    scale: float | Tensor = 1.0,
) -> tuple[Tensor, Tensor]:
    """The loss of each row [N], and ``logit_grad`` [N,K], the gradient of the sum of ``scale`` · loss in the
    ``logits``, for a number ``scale``, [] or [N]: everything a training step needs, in one call without
    autograd.

    ``scale = 1 / N`` gives the gradient of the mean. Other arguments, types and errors are those of
    `smoothed_cross_entropy`; ``logit_grad`` has the type of the logits. To continue the backward pass from
    there: ``torch.autograd.grad(logits, parameters, logit_grad)``.
    """
    _check_settings(alpha, convention, "none")
    _check_tensors(logits, target, alpha, weight, convention)
    _check_per_row("scale", scale, logits)
    with torch.no_grad():
        rows = _cast(Rows(logits.detach(), target, alpha, convention, weight, ignore_index))
        if isinstance(scale, Tensor):
            scale = scale.to(rows.dtype).expand(len(target))
        return _dispatch.losses_and_logit_grad(scale, rows)


def _cast(rows: Rows) -> Rows:
    """``rows`` with alpha and weights in the type of the computation."""
    alpha = rows.alpha.to(rows.dtype) if isinstance(rows.alpha, Tensor) else rows.alpha
    return rows._replace(alpha=alpha, weight=None if rows.weight is None else rows.weight.to(rows.dtype))


class SmoothedCrossEntropy(nn.Module):
    """`smoothed_cross_entropy` as a module; ``weight`` [K] is a buffer and moves with the module.

    Raises ValueError for settings that `smoothed_cross_entropy` would refuse for any logits.
    """

    weight: Tensor | None

    def __init__(
        self,
        alpha: float,
        *,
        convention: str = "uniform",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        _check_settings(alpha, convention, reduction)
        if weight is not None:
            _check_weight(weight, len(weight) if weight.ndim else 0)
        self.alpha = alpha
        self.convention = convention
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of ``logits`` [N,K] against ``target`` int64 [N]."""
        return smoothed_cross_entropy(
            logits,
            target,
            self.alpha,
            convention=self.convention,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return (
            f"alpha={self.alpha}, convention={self.convention!r}, ignore_index={self.ignore_index}, "
            f"reduction={self.reduction!r}"
        )


def _check_settings(alpha: float | Tensor, convention: str, reduction: str) -> None:
    if not isinstance(alpha, Tensor) and not 0 <= alpha < 1:
        raise ValueError(f"alpha={alpha}: allowed is from 0 to below 1")
    if convention not in CONVENTIONS:
        raise ValueError(f"convention={convention!r}: allowed is one of {', '.join(CONVENTIONS)}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}: allowed is one of {', '.join(REDUCTIONS)}")


def _check_tensors(
    logits: Tensor, target: Tensor, alpha: float | Tensor, weight: Tensor | None, convention: str
) -> None:
    least = 2 if convention == "others" else 1
    if logits.ndim != 2 or logits.shape[1] < least or not logits.is_floating_point():
        got = f"{logits.dtype} {list(logits.shape)}"
        raise ValueError(f"logits: {got}, expected floating point [N,K] with K at least {least}")
    rows, classes = logits.shape
    if target.shape != (rows,) or target.dtype != torch.int64:
        raise ValueError(f"target: {target.dtype} {list(target.shape)}, expected torch.int64 [{rows}]")
    _check_per_row("alpha", alpha, logits)
    if weight is not None:
        _check_weight(weight, classes)
    for name, tensor in (("target", target), ("weight", weight)):
        _check_device(name, tensor, logits)


def _check_weight(weight: Tensor, classes: int) -> None:
    if weight.shape != (classes,) or weight.requires_grad:
        wants = "one that needs a gradient" if weight.requires_grad else f"{list(weight.shape)}"
        raise ValueError(f"weight: {wants}, expected [{classes}] without a gradient")


def _check_per_row(name: str, value: float | Tensor, logits: Tensor) -> None:
    """Check a number, or a tensor with a number for each row."""
    if isinstance(value, Tensor):
        if value.shape not in ((), logits.shape[:1]):
            raise ValueError(f"{name}: {list(value.shape)}, expected a number, [] or [{len(logits)}]")
        _check_device(name, value, logits)


def _check_device(name: str, tensor: Tensor | None, logits: Tensor) -> None:
    if tensor is not None and tensor.device != logits.device:
        raise ValueError(f"{name}: on {tensor.device}, expected {logits.device} as the logits")
