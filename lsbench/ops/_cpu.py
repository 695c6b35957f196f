"""The smoothed loss on a CPU: a part of the rows at a time, and few classes along the other axis.

PyTorch passes over all of [N,K] for each operation, and keeps log-probabilities for the backward pass. Here
a part stays in the cache from its first pass to its last, and backward begins with the logits again, so that
nothing of size [N,K] is written but the gradient. Few classes are turned to the first axis: there the softmax
of eight rows is computed at once, while along the last axis each row of ten takes its turn (measured: 57 and
1276 µs for [8192,10], and 78 to turn it).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.ops._plain import FEW, Rows

# Numbers of a part. Measured with 1 MiB of second-level cache a core, as a share of eager's time at
# (4096,1000) in float32: 0.59 with 2**14, 0.30 with 2**16, 0.27 with 2**18, 0.37 all at once.
PART = 2**18


def losses(rows: Rows) -> tuple[Tensor, None]:
    """The loss of each row [N]. Raises IndexError for a label outside [0,K)."""
    sums = _sums(rows)
    for part, logits in _parts(rows):
        sums.enter(F.log_softmax(logits, dim=sums.axis, dtype=rows.dtype), part)
    return sums.losses(rows), None


def slopes(grad: Tensor, rows: Rows, kept: None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]."""
    lines = _lines(grad, rows)
    for part, logits in _parts(rows):
        lines.enter(F.softmax(logits, dim=lines.axis, dtype=rows.dtype), part)
    return lines.slope


def losses_and_slopes(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Both, in one pass over the logits."""
    sums, lines = _sums(rows), _lines(grad, rows)
    for part, logits in _parts(rows):
        log_probs = F.log_softmax(logits, dim=sums.axis, dtype=rows.dtype)
        sums.enter(log_probs, part)
        lines.enter(log_probs.exp_(), part)
    return sums.losses(rows), lines.slope


def _axis(rows: Rows) -> int:
    """Of the classes."""
    return 0 if rows.logits.shape[1] < FEW else 1


def _parts(rows: Rows) -> Iterator[tuple[slice, Tensor]]:
    count, classes = rows.logits.shape
    step = max(PART // classes, 1)
    for first in range(0, count, step):
        part = slice(first, first + step)
        yield part, rows.logits[part] if _axis(rows) else rows.logits[part].t()


class Sums(NamedTuple):
    """Place for log p_y and Σ log p_k of each row [N], weighted. Labels are [1,N] or [N,1], as ``axis`` is
    that of the classes; those of rows that are ignored are 0."""

    axis: int
    label: Tensor
    ignored: Tensor
    weight: Tensor | None
    at_label: Tensor
    total: Tensor | None

    def enter(self, log_probs: Tensor, part: slice) -> None:
        label = self.label.narrow(1 - self.axis, part.start, log_probs.shape[1 - self.axis])
        self.at_label[part] = log_probs.gather(self.axis, label).squeeze(self.axis)
        if self.total is not None:
            weighted = log_probs if self.weight is None else log_probs * self.weight.unsqueeze(1 - self.axis)
            self.total[part] = weighted.sum(self.axis)

    def losses(self, rows: Rows) -> Tensor:
        on, spread = rows.terms()
        loss = self.at_label
        if self.weight is not None:
            loss.mul_(self.weight[self.label.squeeze(self.axis)])
        loss.mul_(on)
        if self.total is not None:
            loss.add_(self.total.mul_(spread))
        return loss.neg_().masked_fill_(self.ignored, 0.0)


def _labels(rows: Rows) -> tuple[Tensor, Tensor]:
    ignored = rows.target == rows.ignore_index
    return ignored, rows.target.masked_fill(ignored, 0).unsqueeze(_axis(rows))


def _sums(rows: Rows) -> Sums:
    ignored, label = _labels(rows)
    if len(label.view(-1)):
        least, largest = map(int, label.aminmax())
        if least < 0 or largest >= rows.logits.shape[1]:
            raise IndexError(f"target {largest if least >= 0 else least} is out of bounds")
    place = torch.empty(len(rows.target), dtype=rows.dtype)
    total = torch.empty_like(place) if rows.smooth else None
    return Sums(_axis(rows), label, ignored, rows.weight, place, total)


class Lines(NamedTuple):
    """What makes of the probabilities p of a row its slope: scale·p − rest·weight, with own added at its
    label; [1,N] or [N,1] as in `Sums`."""

    axis: int
    scale: Tensor
    rest: Tensor
    own: Tensor
    label: Tensor
    weight: Tensor | None
    slope: Tensor

    def enter(self, probs: Tensor, part: slice) -> None:
        """Write slopes over ``probs``, and to their place."""
        first, length = part.start, probs.shape[1 - self.axis]
        scale, rest, own, label = (
            line.narrow(1 - self.axis, first, length)
            for line in (self.scale, self.rest, self.own, self.label)
        )
        if self.weight is not None:
            rest = rest * self.weight.unsqueeze(1 - self.axis)
        probs.mul_(scale).sub_(rest).scatter_add_(self.axis, label, own)
        self.slope[part] = probs if self.axis else probs.t()


def _lines(grad: float | Tensor, rows: Rows) -> Lines:
    axis, (ignored, label) = _axis(rows), _labels(rows)
    grad = torch.as_tensor(grad, dtype=rows.dtype).expand(len(ignored)).masked_fill(ignored, 0.0)
    on, spread = rows.terms()
    own, rest, weights = grad * on, grad * spread, float(rows.logits.shape[1])
    scale = own + rest * weights
    if rows.weight is not None:
        own = own * rows.weight[label.squeeze(axis)]
        scale = own + rest * rows.weight.sum()
    scale, rest, own = (line.unsqueeze(axis) for line in (scale, rest, -own))
    slope = torch.empty_like(rows.logits, memory_format=torch.contiguous_format)
    return Lines(axis, scale, rest, own, label, rows.weight, slope)
