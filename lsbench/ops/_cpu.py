"""The smoothed loss on a CPU: a part of the rows at a time, and few classes along the other axis.

PyTorch passes over all of [N,K] for each operation. Here a part stays in the cache from its first pass to its
last, and nothing of size [N,K] is written but the gradient; that is made along with the loss, while the
exponentials are there, and kept for the way back where that is known to be of a mean or a sum.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.ops import _reference
from lsbench.ops._reference import FEW, Rows, target_terms, written

# BySeed of a part. Measured as a share of eager's time at (4096,1000) in float32, in a process that keeps
# freed memory (memory.py): 1.1 with 2**17, 0.77 with 2**18, 0.74 with 2**19, 0.75 with 2**20.
PART = 2**19


class Kept(NamedTuple):
    """The gradient [N,K] of ``scale`` times the sum of the losses."""

    scale: float
    slope: Tensor


def losses(rows: Rows, reduction: str) -> tuple[Tensor, Kept | None]:
    """The loss of each row [N], and the gradient of their mean or sum where that is the ``reduction``. Raises
    IndexError for a label outside [0,K)."""
    total = {"none": 0.0, "sum": 1.0}.get(reduction)
    if total is None:
        total = float(_reference.divisor(rows))
    if not total:  # or there is nothing to take the mean of
        return _compute(rows, None)[0], None
    loss, slope = losses_and_logit_grad(1 / total, rows)
    return loss, Kept(1 / total, slope)


def logit_grad(grad: Tensor, rows: Rows, kept: Kept | None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]: where all of it is one number what
    was ``kept``, times what that lacks, and else made anew."""
    if kept is not None and not grad.stride(0):
        lacks = grad[0] / grad.new_tensor(kept.scale)
        if lacks == 1:
            return kept.slope
        # not in float16, where what was small is lost, and not by infinity, for rows without a gradient
        if kept.slope.dtype != torch.float16 and lacks.isfinite():
            return kept.slope.mul_(lacks)
    return losses_and_logit_grad(grad, rows)[1]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Both, in one pass over the logits; ``grad`` may be a number."""
    loss, slope = _compute(rows, grad)
    assert slope is not None
    return loss, slope


def _compute(rows: Rows, grad: float | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Losses [N], and for a ``grad`` the gradient [N,K] of Σ grad·losses."""
    ignored = _ignored(rows)
    if ignored is not None:
        rows = rows._replace(target=rows.target.masked_fill(ignored, 0))
    count, classes = rows.logits.shape
    loss = rows.logits.new_empty(count, dtype=rows.dtype)
    slope = None if grad is None else rows.logits.new_empty(count, classes)
    of_part = _few if classes < FEW else _many
    step = max(PART // classes, 1)
    for first in range(0, count, step):
        at = slice(first, first + step) if count > step else slice(None)
        alpha = rows.alpha[at] if isinstance(rows.alpha, Tensor) and rows.alpha.ndim else rows.alpha
        part = rows._replace(logits=rows.logits[at], target=rows.target[at], alpha=alpha)
        own = grad[at] if isinstance(grad, Tensor) and grad.ndim else grad
        of_part(part, loss[at], None if slope is None else slope[at], own)
    if ignored is not None:
        loss.masked_fill_(ignored, 0.0)
        if slope is not None:
            slope.index_fill_(0, ignored.nonzero().squeeze(1), 0.0)
    return loss, slope


def _few(rows: Rows, loss: Tensor, slope: Tensor | None, grad: float | Tensor | None) -> None:
    """Enter what is asked for of rows of few classes. These are turned to the first axis: there the softmax
    of eight rows is computed at once, while along the last axis each row of ten takes its turn (measured: 57
    and 1276 µs for [8192,10], and 78 to turn it). Their target is written out, though it is one number but
    for the labels: the fewest operations that way, which are the cost of a small batch."""
    log_probs = F.log_softmax(rows.logits.t(), dim=0, dtype=rows.dtype)
    own, spread, mass = _terms(rows)
    elsewhere = spread if rows.weight is None else spread * rows.weight.unsqueeze(1)
    here = own + (spread if rows.weight is None else spread * rows.weight[rows.target])
    target = written(log_probs, 0, rows.target, here, elsewhere)
    if rows.smooth:
        torch.sum(target * log_probs, 0, out=loss)
    else:
        loss.copy_(here * log_probs.gather(0, rows.target.unsqueeze(0)).squeeze(0))
    loss.neg_()
    if slope is not None and grad is not None:
        probs = log_probs.exp_()
        if mass is not None:
            probs.mul_(mass)
        torch.mul(probs.sub_(target).t(), grad.unsqueeze(1) if isinstance(grad, Tensor) else grad, out=slope)


def _many(rows: Rows, loss: Tensor, slope: Tensor | None, grad: float | Tensor | None) -> None:
    """Enter what is asked for of rows of many classes. Exponentials are the slow part, and softmax has the
    fast ones. They are taken once: their sum comes back from the largest probability, whose exponential is
    1."""
    logits, label = rows.logits.to(rows.dtype), rows.target.unsqueeze(1)
    one, other, total = _terms(rows)
    own, spread = _column(one, rows), _column(other, rows)
    mass = None if total is None else _column(total, rows)
    place = logits  # of half precision this is a copy
    if logits is rows.logits:
        place = torch.empty_like(logits) if slope is None else slope
    below = torch.sub(logits, logits.amax(1, keepdim=True), out=place)  # the same however large all are
    probs = F.softmax(below, dim=1)
    log_sum = probs.amax(1, keepdim=True).log_().neg_()
    value = own * (log_sum - below.gather(1, label))
    if rows.smooth:
        heft = below.shape[1] if rows.weight is None else rows.weight.sum()
        weighted = below if rows.weight is None else below.mul_(rows.weight)
        value += spread * (heft * log_sum - weighted.sum(1, keepdim=True))
    loss.copy_(value.squeeze(1))
    if slope is not None and grad is not None:
        scale = grad.unsqueeze(1) if isinstance(grad, Tensor) else grad
        rest = spread * -scale
        if rows.weight is not None:
            rest = rest * rows.weight
        if mass is None and not isinstance(grad, Tensor):
            torch.add(rest, probs, alpha=grad, out=place)
        else:
            torch.add(rest, probs.mul_(scale if mass is None else mass * scale), out=place)
        place.scatter_add_(1, label, own * -scale)
        if place is not slope:
            slope.copy_(place)


def _terms(rows: Rows) -> tuple[float | Tensor, float | Tensor, float | Tensor | None]:
    """What a row's target is made of, each a number, [] or [N]: the second times each class's weight, and the
    first more at the label; their sum where that is not 1."""
    own, spread = target_terms(rows.alpha, rows.logits.shape[1], rows.convention)
    if rows.weight is not None:
        own = own * rows.weight[rows.target]
        return own, spread, own + spread * rows.weight.sum()
    mass = own + spread * rows.logits.shape[1] if rows.convention == "as_printed" else None
    return own, spread, mass


def _column(value: float | Tensor, rows: Rows) -> Tensor:
    return torch.as_tensor(value, dtype=rows.dtype, device="cpu").expand(len(rows.target)).unsqueeze(1)


def _ignored(rows: Rows) -> Tensor | None:
    """Which rows are ignored [N], if any. Raises IndexError for a label outside [0,K) of any other."""
    if not len(rows.target):
        return None
    least, largest = map(int, rows.target.aminmax())
    ignored = None
    if least <= rows.ignore_index <= largest and (found := rows.target == rows.ignore_index).any():
        ignored = found
        least, largest = map(int, rows.target.masked_fill(found, 0).aminmax())
    if least < 0 or largest >= rows.logits.shape[1]:
        raise IndexError(f"target {largest if least >= 0 else least} is out of bounds")
    return ignored
