"""The smoothed loss on a CPU, for inputs that its caches do not hold: a part of the rows at a time.

PyTorch passes over all of [N,K] for each operation, and keeps log-probabilities for the backward pass. Here
a part stays in the cache from its first pass to its last, and backward begins with the logits again, so that
nothing of size [N,K] is written but the gradient.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lsbench.ops._plain import Rows

# Numbers of a part. Measured with 2 MiB of second-level cache, as a share of eager's time at (4096,1000) in
# float32: 0.59 with 2**14, 0.30 with 2**16, 0.27 with 2**18, 0.37 all at once.
PART = 2**18


def losses(rows: Rows) -> tuple[Tensor, None]:
    """The loss of each row [N]. Raises IndexError for a label outside [0,K)."""
    nll, total = _room(rows)
    for part in _parts(rows):
        log_probs = F.log_softmax(rows.logits[part], dim=-1, dtype=rows.dtype)
        _enter(log_probs, rows, part, nll, total)
    return _join(nll, total, rows), None


def slopes(grad: Tensor, rows: Rows, kept: None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]."""
    slope, lines = _lines(grad, rows)
    for part in _parts(rows):
        probs = F.softmax(rows.logits[part], dim=-1, dtype=rows.dtype)
        slope[part] = _turn(probs, lines, part)
    return slope


def losses_and_slopes(grad: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Both, in one pass over the logits."""
    nll, total = _room(rows)
    slope, lines = _lines(grad, rows)
    for part in _parts(rows):
        log_probs = F.log_softmax(rows.logits[part], dim=-1, dtype=rows.dtype)
        _enter(log_probs, rows, part, nll, total)
        slope[part] = _turn(log_probs.exp_(), lines, part)
    return _join(nll, total, rows), slope


def _parts(rows: Rows) -> Iterator[slice]:
    count, classes = rows.logits.shape
    step = max(PART // classes, 1)
    return (slice(first, first + step) for first in range(0, count, step))


def _room(rows: Rows) -> tuple[Tensor, Tensor]:
    """Place for −log p_y and for Σ log p_k, weighted, of each row."""
    nll = torch.empty(len(rows.target), dtype=rows.dtype)
    return nll, torch.empty_like(nll)


def _enter(log_probs: Tensor, rows: Rows, part: slice, nll: Tensor, total: Tensor) -> None:
    label, weight = rows.target[part], rows.weight
    nll[part] = F.nll_loss(log_probs, label, weight, ignore_index=rows.ignore_index, reduction="none")
    if rows.smooth:
        total[part] = log_probs.sum(-1) if weight is None else log_probs @ weight


def _join(nll: Tensor, total: Tensor, rows: Rows) -> Tensor:
    on, spread = rows.terms()
    if not rows.smooth:
        return nll.mul_(on)
    total.masked_fill_(rows.target == rows.ignore_index, 0.0)
    return nll.mul_(on).sub_(total.mul_(spread))


class Lines(NamedTuple):
    """What makes of a row's probabilities p its slope: scale·p − rest·weight, and own added at its label;
    each [N,1], the weight [K]."""

    scale: Tensor
    rest: Tensor
    own: Tensor
    label: Tensor
    weight: Tensor | None


def _lines(grad: Tensor, rows: Rows) -> tuple[Tensor, Lines]:
    """Place for the slope, and how its rows are made."""
    ignored = rows.target == rows.ignore_index
    label = rows.target.masked_fill(ignored, 0)
    grad = grad.to(rows.dtype).masked_fill(ignored, 0.0)
    on, spread = rows.terms()
    own, rest = grad * on, grad * spread
    weights: float | Tensor = rows.logits.shape[1]
    if rows.weight is not None:
        own, weights = own * rows.weight[label], rows.weight.sum()
    scale, rest, own, label = (line[:, None] for line in (own + rest * weights, rest, -own, label))
    slope = torch.empty_like(rows.logits, memory_format=torch.contiguous_format)
    return slope, Lines(scale, rest, own, label, rows.weight)


def _turn(probs: Tensor, lines: Lines, part: slice) -> Tensor:
    """The slope of these rows, written over their ``probs``."""
    rest = lines.rest[part] if lines.weight is None else lines.rest[part] * lines.weight
    return probs.mul_(lines.scale[part]).sub_(rest).scatter_add_(1, lines.label[part], lines.own[part])
