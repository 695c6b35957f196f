"""The smoothed loss on a CPU: a part of the rows at a time, and few classes along the other axis.

PyTorch passes over all of [N,K] for each operation, and keeps log-probabilities for the backward pass. Here
a part stays in the cache from its first pass to its last, and backward begins with the logits again, so that
nothing of size [N,K] is written but the gradient. Few classes are turned to the first axis: there the softmax
of eight rows is computed at once, while along the last axis each row of ten takes its turn (measured: 57 and
1276 µs for [8192,10], and 78 to turn it).

A part's target is written out, though it is one number but for the labels: the fewest operations that way,
and of a small batch they are the cost (64 µs of them for [128,10], where PyTorch's own loss takes 163).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.ops._plain import FEW, Rows, target_terms

# Numbers of a part. Measured with 1 MiB of second-level cache a core, as a share of eager's time at
# (8192,100) in float32: 0.50 with 2**15, 0.42 with 2**16, 0.39 with 2**17, 0.62 with 2**18.
PART = 2**17


def losses(rows: Rows) -> tuple[Tensor, None]:
    """The loss of each row [N]. Raises IndexError for a label outside [0,K)."""
    ignored = _ignored(rows)
    loss = rows.logits.new_empty(len(rows.target), dtype=rows.dtype)
    for part in _parts(rows, ignored):
        log_probs = F.log_softmax(part.logits, dim=part.axis, dtype=rows.dtype)
        loss[part.at] = part.loss(log_probs, part.target())
    return _without(ignored, loss), None


def slopes(grad: Tensor, rows: Rows, kept: None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]."""
    ignored = _ignored(rows)
    grad, slope = _without(ignored, grad), _like(rows.logits)
    for part in _parts(rows, ignored):
        probs = F.softmax(part.logits, dim=part.axis, dtype=rows.dtype)
        part.enter_slope(slope, probs, part.target(), grad)
    return slope


def losses_and_slopes(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Both, in one pass over the logits; ``grad`` may be a number."""
    ignored = _ignored(rows)
    if isinstance(grad, Tensor) or ignored is not None:
        grad = torch.as_tensor(grad, dtype=rows.dtype, device="cpu").expand(len(rows.target))
        grad = _without(ignored, grad)
    loss, slope = rows.logits.new_empty(len(rows.target), dtype=rows.dtype), _like(rows.logits)
    for part in _parts(rows, ignored):
        log_probs = F.log_softmax(part.logits, dim=part.axis, dtype=rows.dtype)
        target = part.target()
        loss[part.at] = part.loss(log_probs, target)
        part.enter_slope(slope, log_probs.exp_(), target, grad)
    return _without(ignored, loss), slope


class Part(NamedTuple):
    """The rows ``at`` a place, with their classes along ``axis``, and what their target is made of: it is
    ``here`` at the label, ``elsewhere`` at other classes, and its sum is 1 where no ``mass`` is given.

    Of n rows, ``logits`` are [n,K] or [K,n]; ``elsewhere`` may have 1 in place of K, and the others have.
    """

    at: slice
    axis: int
    logits: Tensor
    label: Tensor
    here: Tensor
    elsewhere: Tensor
    mass: Tensor | None
    smooth: bool

    def target(self) -> Tensor:
        return self.elsewhere.expand_as(self.logits).scatter(self.axis, self.label, self.here)

    def loss(self, log_probs: Tensor, target: Tensor) -> Tensor:
        if self.smooth:
            return (target * log_probs).sum(self.axis).neg_()
        return (self.here * log_probs.gather(self.axis, self.label)).squeeze(self.axis).neg_()

    def enter_slope(self, slope: Tensor, probs: Tensor, target: Tensor, grad: float | Tensor) -> None:
        """Write grad·(mass·probs − target) to its rows of ``slope`` [N,K], and over ``probs``."""
        if self.mass is not None:
            probs.mul_(self.mass)
        probs.sub_(target)
        own = grad[self.at].unsqueeze(1) if isinstance(grad, Tensor) else grad
        torch.mul(probs if self.axis else probs.t(), own, out=slope[self.at])


def _parts(rows: Rows, ignored: Tensor | None) -> Iterator[Part]:
    count, classes = rows.logits.shape
    axis = 0 if classes < FEW else 1
    label = _without(ignored, rows.target).unsqueeze(axis)
    alpha = torch.as_tensor(rows.alpha, dtype=rows.dtype, device="cpu").expand(count).unsqueeze(axis)
    on, spread = target_terms(alpha, classes, rows.convention)
    here, elsewhere, mass = on + spread, spread, None
    if rows.weight is not None:
        weight, own = rows.weight.unsqueeze(1 - axis), rows.weight[label]
        here, elsewhere, mass = here * own, spread * weight, on * own + spread * rows.weight.sum()
    elif rows.convention == "as_printed":
        mass = on + spread * classes
    logits = rows.logits if axis else rows.logits.t()
    step = max(PART // classes, 1)
    if count <= step:
        yield Part(slice(None), axis, logits, label, here, elsewhere, mass, rows.smooth)
        return
    for first in range(0, count, step):
        at = slice(first, first + step)
        cut = at if axis else (slice(None), at)
        of_part = logits[cut], label[cut], here[cut], elsewhere[cut]
        yield Part(at, axis, *of_part, None if mass is None else mass[cut], rows.smooth)


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


def _without(ignored: Tensor | None, values: Tensor) -> Tensor:
    """With 0 for the rows that are ``ignored``."""
    return values if ignored is None else values.masked_fill(ignored, 0)


def _like(logits: Tensor) -> Tensor:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)
