"""The smoothed loss on a CPU: a block of rows at a time, and few classes along the first axis.

PyTorch passes over all of [N,K] for each operation. Here a block stays in the cache from its first pass to
its last, and nothing of size [N,K] is written but the gradient. If the reduction is a mean or a sum, the
gradient is computed with the loss, from the same exponentials, and cached for the backward pass.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.ops import _reference
from lsbench.ops._reference import FEW_CLASSES, Rows, dense_target, target_terms

# Logits in a block. Measured as a share of eager's time at (4096,1000) in float32, in a process that keeps
# freed memory (training/memory.py): 1.1 with 2**17, 0.77 with 2**18, 0.74 with 2**19, 0.75 with 2**20.
BLOCK_ELEMENTS = 2**19


class CachedGrad(NamedTuple):
    """The gradient [N,K] of ``scale`` times the sum of the losses."""

    scale: float
    logit_grad: Tensor


def losses(rows: Rows, reduction: str) -> tuple[Tensor, CachedGrad | None]:
    """The loss of each row [N], and the gradient of their mean or sum if that is the ``reduction``. Raises
    IndexError for a label outside [0,K)."""
    total = {"none": 0.0, "sum": 1.0}.get(reduction)
    if total is None:
        total = float(_reference.divisor(rows))
    if not total:  # no reduction, or a mean over no rows
        return _compute(rows, None)[0], None
    loss, logit_grad = losses_and_logit_grad(1 / total, rows)
    return loss, CachedGrad(1 / total, logit_grad)


def logit_grad(grad: Tensor, rows: Rows, cached: CachedGrad | None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N].

    If ``grad`` is a broadcast scalar, rescales the ``cached`` gradient; otherwise computes it.
    """
    if cached is not None and not grad.stride(0):
        factor = grad[0] / grad.new_tensor(cached.scale)
        if factor == 1:
            return cached.logit_grad
        # not in float16, where small gradients have underflowed; nor by infinity, for rows without a gradient
        if cached.logit_grad.dtype != torch.float16 and factor.isfinite():
            return cached.logit_grad.mul_(factor)
    return losses_and_logit_grad(grad, rows)[1]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N] and the gradient [N,K] in one pass over the logits; ``grad`` may be a number."""
    loss, logit_grad = _compute(rows, grad)
    assert logit_grad is not None
    return loss, logit_grad


def _compute(rows: Rows, grad: float | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Losses [N], and if ``grad`` is given the gradient [N,K] of Σ grad·losses."""
    ignored = _ignored(rows)
    if ignored is not None:
        rows = rows._replace(target=rows.target.masked_fill(ignored, 0))
    count, classes = rows.logits.shape
    loss = rows.logits.new_empty(count, dtype=rows.dtype)
    logit_grad = None if grad is None else rows.logits.new_empty(count, classes)
    compute_block = _few_classes if classes < FEW_CLASSES else _many_classes
    step = max(BLOCK_ELEMENTS // classes, 1)
    for first in range(0, count, step):
        block = slice(first, first + step) if count > step else slice(None)
        alpha = rows.alpha[block] if isinstance(rows.alpha, Tensor) and rows.alpha.ndim else rows.alpha
        block_rows = rows._replace(logits=rows.logits[block], target=rows.target[block], alpha=alpha)
        block_grad = grad[block] if isinstance(grad, Tensor) and grad.ndim else grad
        out = None if logit_grad is None else logit_grad[block]
        compute_block(block_rows, loss[block], out, block_grad)
    if ignored is not None:
        loss.masked_fill_(ignored, 0.0)
        if logit_grad is not None:
            logit_grad.index_fill_(0, ignored.nonzero().squeeze(1), 0.0)
    return loss, logit_grad


def _few_classes(rows: Rows, loss: Tensor, logit_grad: Tensor | None, grad: float | Tensor | None) -> None:
    """Write the loss, and the gradient if asked for, of rows of few classes.

    The classes are moved to the first axis: softmax computes eight rows at once there, and along the last
    axis one at a time (measured for [8192,10]: 57 and 1276 µs, and 78 to transpose). The target is made
    dense, since that needs the fewest operations, which dominate the cost of a small batch.
    """
    log_probs = F.log_softmax(rows.logits.t(), dim=0, dtype=rows.dtype)
    peak, off_value, mass = _terms(rows)
    if rows.weight is None:
        on_value = peak + off_value
    else:
        on_value = peak + off_value * rows.weight[rows.target]
        off_value = off_value * rows.weight.unsqueeze(1)
    target = dense_target(log_probs, 0, rows.target, on_value, off_value)
    if rows.smooth:
        torch.sum(target * log_probs, 0, out=loss)
    else:
        loss.copy_(on_value * log_probs.gather(0, rows.target.unsqueeze(0)).squeeze(0))
    loss.neg_()
    if logit_grad is not None and grad is not None:
        probs = log_probs.exp_()
        if mass is not None:
            probs.mul_(mass)
        scale = grad.unsqueeze(1) if isinstance(grad, Tensor) else grad
        torch.mul(probs.sub_(target).t(), scale, out=logit_grad)


def _many_classes(rows: Rows, loss: Tensor, logit_grad: Tensor | None, grad: float | Tensor | None) -> None:
    """Write the loss, and the gradient if asked for, of rows of many classes.

    Exponentials are the slow part, and softmax has the fast ones, so they are computed once: their sum is
    recovered from the largest probability, whose exponential is 1.
    """
    logits, label = rows.logits.to(rows.dtype), rows.target.unsqueeze(1)
    peak, off_value, mass = (None if term is None else _column(term, rows) for term in _terms(rows))
    assert peak is not None and off_value is not None
    buffer = logits  # a copy if the logits have half precision
    if logits is rows.logits:
        buffer = torch.empty_like(logits) if logit_grad is None else logit_grad
    shifted = torch.sub(logits, logits.amax(1, keepdim=True), out=buffer)  # a shift common to all is harmless
    probs = F.softmax(shifted, dim=1)
    log_sum = probs.amax(1, keepdim=True).log_().neg_()
    value = peak * (log_sum - shifted.gather(1, label))
    if rows.smooth:
        weight_sum = shifted.shape[1] if rows.weight is None else rows.weight.sum()
        weighted = shifted if rows.weight is None else shifted.mul_(rows.weight)
        value += off_value * (weight_sum * log_sum - weighted.sum(1, keepdim=True))
    loss.copy_(value.squeeze(1))
    if logit_grad is not None and grad is not None:
        scale = grad.unsqueeze(1) if isinstance(grad, Tensor) else grad
        off_grad = off_value * -scale
        if rows.weight is not None:
            off_grad = off_grad * rows.weight
        if mass is None and not isinstance(grad, Tensor):
            torch.add(off_grad, probs, alpha=grad, out=buffer)
        else:
            torch.add(off_grad, probs.mul_(scale if mass is None else mass * scale), out=buffer)
        buffer.scatter_add_(1, label, peak * -scale)
        if buffer is not logit_grad:
            logit_grad.copy_(buffer)


def _terms(rows: Rows) -> tuple[float | Tensor, float | Tensor, float | Tensor | None]:
    """``peak``, ``off_value`` and ``mass`` of the target of each row, each a number, [] or [N]. ``peak``
    includes the weight of the label; ``off_value`` is to be multiplied by the weight of each class. ``mass``
    is the sum of the weighted target, None if that is 1."""
    peak, off_value = target_terms(rows.alpha, rows.logits.shape[1], rows.convention)
    if rows.weight is not None:
        peak = peak * rows.weight[rows.target]
        return peak, off_value, peak + off_value * rows.weight.sum()
    mass = peak + off_value * rows.logits.shape[1] if rows.convention == "as_printed" else None
    return peak, off_value, mass


def _column(value: float | Tensor, rows: Rows) -> Tensor:
    return torch.as_tensor(value, dtype=rows.dtype, device="cpu").expand(len(rows.target)).unsqueeze(1)


def _ignored(rows: Rows) -> Tensor | None:
    """A mask of the ignored rows [N], None if there are none. Raises IndexError if any other row has a label
    outside [0,K)."""
    if not len(rows.target):
        return None
    least, largest = map(int, rows.target.aminmax())
    ignored = None
    if least <= rows.ignore_index <= largest and (mask := rows.target == rows.ignore_index).any():
        ignored = mask
        least, largest = map(int, rows.target.masked_fill(mask, 0).aminmax())
    if least < 0 or largest >= rows.logits.shape[1]:
        raise IndexError(f"target {largest if least >= 0 else least} is out of bounds")
    return ignored
