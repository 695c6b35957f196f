"""The smoothed loss on a GPU as Triton kernels, one launch each.

Up to `TILE` classes, a program holds several whole rows: one pass gives losses, gradient, or both. With more
classes a program processes one row: once for the loss, with a running maximum and sum of exponentials
(Milakov & Gimelshein 2018, arXiv:1805.02867), and once more for the gradient. Sums are accumulated in float32
(in float64 for float64), relative to a logit of the row.

A kernel is compiled for a number of classes. It is specialised on whether alpha is zero, never on its value,
so one kernel serves every alpha and a CUDA graph can replay it. A label outside [0,K) that is not
``ignore_index`` makes the loss and the gradient of its row NaN, and is never used to compute an address.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lsbench.ops._reference import Rows
from lsbench.terms import CONVENTIONS

TILE = 1024  # the largest number of classes of a row that a program holds whole
MIN_ELEMENTS = 2048  # logits in a program that holds whole rows, at least
BLOCK = 4096  # logits of a longer row at a time
SHORT_WARPS, LONG_WARPS = 4, 8  # of a program, by kernel

OTHERS = tl.constexpr(CONVENTIONS.index("others"))
UNIFORM = tl.constexpr(CONVENTIONS.index("uniform"))


@triton.jit
def _value(given, row, inside, step, IN_MEMORY: tl.constexpr, T: tl.constexpr):
    """The value of each ``row``, from memory or the same number for all."""
    if IN_MEMORY:
        value = tl.load(given + row * step, inside, 0.0).to(T)
    else:
        value = tl.zeros_like(row).to(T) + given
    return value


@triton.jit
def _terms(row, inside, target, alpha, step, weight, ignore_index, CLASSES: tl.constexpr,
           ALPHAS: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr,
           T: tl.constexpr):  # fmt: skip
    """For each ``row``: a label in [0,K), peak·w_y, off_value, and masks of ignored and invalid rows."""
    label = tl.load(target + row, inside, 0)
    ignored = label == ignore_index
    invalid = ((label < 0) | (label >= CLASSES)) & (ignored == 0)
    label = tl.where(ignored | invalid, 0, label)
    a = _value(alpha, row, inside, step, ALPHAS, T)
    off_value = a / (CLASSES - 1 if CONVENTION == OTHERS else CLASSES)
    peak = 1 - a if CONVENTION == UNIFORM else 1 - a - off_value
    if WEIGHTED:
        peak *= tl.load(weight + label, inside, 0.0).to(T)
    return label, peak, off_value, ignored, invalid


@triton.jit
def _short(logits, target, alpha, weight, grad, loss, logit_grad, rows, ignore_index, stride, alpha_step,
           grad_step, CLASSES: tl.constexpr, DENSE: tl.constexpr, ALPHAS: tl.constexpr, GRADS: tl.constexpr,
           SMOOTH: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr, LOSS: tl.constexpr,
           LOGIT_GRAD: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, T: tl.constexpr):  # fmt: skip
    """``HEIGHT`` rows of at most ``WIDTH`` classes."""
    row = tl.program_id(0).to(tl.int64) * HEIGHT + tl.arange(0, HEIGHT)
    inside = row < rows
    label, peak, off_value, ignored, invalid = _terms(
        row, inside, target, alpha, alpha_step, weight, ignore_index,
        CLASSES, ALPHAS, CONVENTION, WEIGHTED, T,
    )  # fmt: skip
    column = tl.arange(0, WIDTH)
    valid = inside[:, None] & (column < CLASSES)[None, :]
    step = CLASSES if DENSE else stride  # with a constant stride rows are read 16 bytes at a time
    z = tl.load(logits + row[:, None] * step + column[None, :], valid, -float("inf")).to(T)
    z = tl.where(inside[:, None], z, 0.0)
    z -= tl.max(z, 1)[:, None]
    powers = tl.exp(z)
    sums = tl.sum(powers, 1)
    z = tl.where(valid, z, 0.0)
    if WEIGHTED:
        weights = tl.load(weight + column, column < CLASSES, 0.0).to(T)[None, :]
        weight_sum = tl.sum(weights)
    else:
        weights = 1.0
        weight_sum = CLASSES
    at_label = column[None, :] == label[:, None]
    if LOSS:
        log_sum = tl.log(sums)
        value = peak * (log_sum - tl.sum(tl.where(at_label, z, 0.0), 1))
        if SMOOTH:
            value += off_value * (weight_sum * log_sum - tl.sum(weights * z, 1))
        value = tl.where(invalid, float("nan"), tl.where(ignored, 0.0, value))
        tl.store(loss + row, value, inside)
    if LOGIT_GRAD:
        g = _value(grad, row, inside, grad_step, GRADS, T)
        peak = g * peak
        off_value = g * off_value
        scale = (peak + off_value * weight_sum) / sums
        change = scale[:, None] * powers - off_value[:, None] * weights
        change -= tl.where(at_label, peak[:, None], 0.0)
        change = tl.where(invalid[:, None], float("nan"), tl.where(ignored[:, None], 0.0, change))
        tl.store(logit_grad + row[:, None] * CLASSES + column[None, :], change, valid)


@triton.jit
def _long(logits, target, alpha, weight, grad, loss, max_and_log_sum, logit_grad, ignore_index, stride,
          alpha_step, grad_step, CLASSES: tl.constexpr, DENSE: tl.constexpr, ALPHAS: tl.constexpr,
          GRADS: tl.constexpr, SMOOTH: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr,
          LOSS: tl.constexpr, LOGIT_GRAD: tl.constexpr, WIDTH: tl.constexpr, T: tl.constexpr):  # fmt: skip
    """One row. The loss pass stores the maximum and the logarithm of the sum of exponentials relative to it;
    a later gradient pass, launched without ``LOSS``, reads them."""
    row = tl.program_id(0).to(tl.int64)
    label, peak, off_value, ignored, invalid = _terms(
        row, True, target, alpha, alpha_step, weight, ignore_index,
        CLASSES, ALPHAS, CONVENTION, WEIGHTED, T,
    )  # fmt: skip
    logits += row * (CLASSES if DENSE else stride)
    column = tl.arange(0, WIDTH)
    weight_sum = tl.full((), 0.0, T)
    if LOSS:
        at_label = tl.load(logits + label).to(T)
        # the origin of the smoothing term, so that logits that are all large lose no precision
        origin = tl.where((at_label > -float("inf")) & (at_label < float("inf")), at_label, 0.0)
        maximum = tl.full((), -float("inf"), T)
        sums = tl.full((), 0.0, T)
        total = tl.full((), 0.0, T)
        for start in range(0, CLASSES, WIDTH):
            valid = start + column < CLASSES
            z = tl.load(logits + start + column, valid, -float("inf")).to(T)
            before = maximum
            maximum = tl.maximum(maximum, tl.max(z, 0))
            shift = tl.where(maximum == -float("inf"), 0.0, maximum)  # all logits so far are -inf
            sums = sums * tl.exp(before - shift) + tl.sum(tl.exp(z - shift), 0)
            z = tl.where(valid, z - origin, 0.0)
            if WEIGHTED:
                weights = tl.load(weight + start + column, valid, 0.0).to(T)
                weight_sum += tl.sum(weights, 0)
                total += tl.sum(weights * z, 0)
            elif SMOOTH:
                total += tl.sum(z, 0)
        if not WEIGHTED:
            weight_sum += CLASSES
        log_sum = tl.log(sums)
        value = peak * (maximum - at_label + log_sum)
        if SMOOTH:
            value += off_value * (weight_sum * (maximum - origin + log_sum) - total)
        tl.store(loss + row, tl.where(invalid, float("nan"), tl.where(ignored, 0.0, value)))
        if not LOGIT_GRAD:
            tl.store(max_and_log_sum + 2 * row, maximum)
            tl.store(max_and_log_sum + 2 * row + 1, log_sum)
    else:
        maximum = tl.load(max_and_log_sum + 2 * row)
        log_sum = tl.load(max_and_log_sum + 2 * row + 1)
        if WEIGHTED:
            for start in range(0, CLASSES, WIDTH):
                weight_sum += tl.sum(tl.load(weight + start + column, start + column < CLASSES, 0.0).to(T), 0)
        else:
            weight_sum += CLASSES
    if LOGIT_GRAD:
        logit_grad += row * CLASSES
        g = _value(grad, row, True, grad_step, GRADS, T)
        peak = g * peak
        off_value = g * off_value
        for start in range(0, CLASSES, WIDTH):
            valid = start + column < CLASSES
            z = tl.load(logits + start + column, valid, -float("inf")).to(T)
            change = (peak + off_value * weight_sum) * tl.exp(z - maximum - log_sum)
            if WEIGHTED:
                change -= off_value * tl.load(weight + start + column, valid, 0.0).to(T)
            else:
                change -= off_value
            change -= tl.where(start + column == label, peak, 0.0)
            change = tl.where(invalid, float("nan"), tl.where(ignored, 0.0, change))
            tl.store(logit_grad + start + column, change, valid)


def losses(rows: Rows, reduction: str) -> tuple[Tensor, Tensor | None]:
    """The loss of each row [N] for any ``reduction``; and for long rows maximum and log-sum [N,2], from which
    and the logits `logit_grad` is as fast as from a stored gradient, in less memory."""
    loss, saved, _ = _launch(rows, with_loss=True)
    return loss, saved


def logit_grad(grad: Tensor, rows: Rows, saved: Tensor | None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]."""
    return _launch(rows, grad, saved, with_loss=saved is None and rows.logits.shape[1] > TILE)[2]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N] and the gradient [N,K] in one launch; ``grad`` may be a number."""
    loss, _, logit_grad = _launch(rows, grad, with_loss=True)
    return loss, logit_grad


def _launch(
    rows: Rows, grad: float | Tensor | None = None, saved: Tensor | None = None, *, with_loss: bool = False
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Losses [N], maximum and log-sum of long rows [N,2], and gradients [N,K]; those not asked for are
    empty."""
    logits = rows.logits if rows.logits.stride(1) == 1 else rows.logits.contiguous()
    count, classes = logits.shape
    loss = logits.new_empty(count if with_loss else 0, dtype=rows.dtype)
    logit_grad = logits.new_empty(0 if grad is None else count, classes)
    if with_loss and grad is None and classes > TILE:
        saved = loss.new_empty(count, 2)
    if not count:
        return loss, saved, logit_grad
    (alpha, alphas_in_memory, alpha_step), (grads, grads_in_memory, grad_step) = (
        _in_memory(value, rows) for value in (rows.alpha, 0.0 if grad is None else grad)
    )
    weight = logits if rows.weight is None else rows.weight.contiguous()  # any address will do
    settings = {
        "CLASSES": classes,
        "DENSE": logits.stride(0) == classes,
        "ALPHAS": alphas_in_memory,
        "GRADS": grads_in_memory,
        "SMOOTH": rows.smooth,
        "CONVENTION": CONVENTIONS.index(rows.convention),
        "WEIGHTED": rows.weight is not None,
        "LOSS": with_loss,
        "LOGIT_GRAD": grad is not None,
        "T": tl.float64 if rows.dtype == torch.float64 else tl.float32,
    }
    start = (logits, rows.target.contiguous(), alpha, weight, grads, loss)
    sizes = (rows.ignore_index, logits.stride(0), alpha_step, grad_step)
    with torch.cuda.device_of(logits):
        if classes <= TILE:
            width = triton.next_power_of_2(classes)
            height = max(MIN_ELEMENTS // width, 1)
            grid = (triton.cdiv(count, height),)
            _short[grid](
                *start,
                logit_grad,
                count,
                *sizes,
                HEIGHT=height,
                WIDTH=width,
                num_warps=SHORT_WARPS,
                **settings,
            )
        else:
            max_and_log_sum = loss if saved is None else saved  # any address will do
            _long[count,](
                *start, max_and_log_sum, logit_grad, *sizes, WIDTH=BLOCK, num_warps=LONG_WARPS, **settings
            )
    return loss, saved, logit_grad


def _in_memory(value: float | Tensor, rows: Rows) -> tuple[float | Tensor, bool, int]:
    """``value`` for a kernel, True if it is an address, and its stride from row to row. Triton takes a Python
    number as float32, so for float64 it goes to memory."""
    if not isinstance(value, Tensor) and rows.dtype == torch.float64:
        value = torch.full((), value, dtype=rows.dtype, device=rows.logits.device)
    if isinstance(value, Tensor):
        return value, True, value.stride(0) if value.ndim else 0
    return float(value), False, 0
