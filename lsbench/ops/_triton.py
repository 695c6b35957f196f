"""The smoothed loss on a GPU as Triton kernels, each of them one launch.

Up to `TILE` classes a program holds several rows whole: one pass gives losses, gradient, or both. With more
classes a program goes along one row: once for the loss, with maximum and sum of exponentials kept as it goes
(Milakov & Gimelshein 2018, arXiv:1805.02867), and once more for the gradient. Everything is added up in
float32 (in float64 for float64), and relative to a logit of the row.

A kernel is compiled for a number of classes. Alpha is read from memory, or is a number of which only counts
whether it is 0: one kernel serves every alpha, and a CUDA graph can replay it. A label outside [0,K) that is
not ``ignore_index`` makes the loss and the gradient of its row NaN, and no address is made from it.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lsbench.ops._reference import Rows
from lsbench.terms import CONVENTIONS

TILE = 1024  # the most classes of rows that a program holds whole
NUMBERS = 2048  # and of how many numbers, at least
BLOCK = 4096  # numbers of a longer row at a time
SHORT_WARPS, LONG_WARPS = 4, 8  # of a program, by kernel

OTHERS = tl.constexpr(CONVENTIONS.index("others"))
UNIFORM = tl.constexpr(CONVENTIONS.index("uniform"))


@triton.jit
def _value(given, row, inside, step, IN_MEMORY: tl.constexpr, T: tl.constexpr):
    """Of each ``row``, from memory, or the same number for all."""
    if IN_MEMORY:
        value = tl.load(given + row * step, inside, 0.0).to(T)
    else:
        value = tl.zeros_like(row).to(T) + given
    return value


@triton.jit
def _terms(row, inside, target, alpha, step, weight, ignore_index, CLASSES: tl.constexpr,
           ALPHAS: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr,
           T: tl.constexpr):  # fmt: skip
    """Of each ``row``: label, made safe; own = on·w_y; spread; whether it is ignored; whether it is wrong."""
    label = tl.load(target + row, inside, 0)
    ignored = label == ignore_index
    wrong = ((label < 0) | (label >= CLASSES)) & (ignored == 0)
    label = tl.where(ignored | wrong, 0, label)
    a = _value(alpha, row, inside, step, ALPHAS, T)
    spread = a / (CLASSES - 1 if CONVENTION == OTHERS else CLASSES)
    own = 1 - a if CONVENTION == UNIFORM else 1 - a - spread
    if WEIGHTED:
        own *= tl.load(weight + label, inside, 0.0).to(T)
    return label, own, spread, ignored, wrong


@triton.jit
def _short(logits, target, alpha, weight, grad, loss, slope, rows, ignore_index, stride, alpha_step,
           grad_step, CLASSES: tl.constexpr, DENSE: tl.constexpr, ALPHAS: tl.constexpr, GRADS: tl.constexpr,
           SMOOTH: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr, LOSS: tl.constexpr,
           SLOPE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, T: tl.constexpr):  # fmt: skip
    """``HEIGHT`` rows of at most ``WIDTH`` classes."""
    row = tl.program_id(0).to(tl.int64) * HEIGHT + tl.arange(0, HEIGHT)
    inside = row < rows
    label, own, spread, ignored, wrong = _terms(
        row, inside, target, alpha, alpha_step, weight, ignore_index,
        CLASSES, ALPHAS, CONVENTION, WEIGHTED, T,
    )  # fmt: skip
    column = tl.arange(0, WIDTH)
    there = inside[:, None] & (column < CLASSES)[None, :]
    step = CLASSES if DENSE else stride  # a step that is known lets rows be read 16 bytes at a time
    z = tl.load(logits + row[:, None] * step + column[None, :], there, -float("inf")).to(T)
    z = tl.where(inside[:, None], z, 0.0)
    z -= tl.max(z, 1)[:, None]
    powers = tl.exp(z)
    sums = tl.sum(powers, 1)
    z = tl.where(there, z, 0.0)
    if WEIGHTED:
        weights = tl.load(weight + column, column < CLASSES, 0.0).to(T)[None, :]
        heft = tl.sum(weights)
    else:
        weights = 1.0
        heft = CLASSES
    at_label = column[None, :] == label[:, None]
    if LOSS:
        log_sums = tl.log(sums)
        value = own * (log_sums - tl.sum(tl.where(at_label, z, 0.0), 1))
        if SMOOTH:
            value += spread * (heft * log_sums - tl.sum(weights * z, 1))
        value = tl.where(wrong, float("nan"), tl.where(ignored, 0.0, value))
        tl.store(loss + row, value, inside)
    if SLOPE:
        g = _value(grad, row, inside, grad_step, GRADS, T)
        own = g * own
        spread = g * spread
        scale = (own + spread * heft) / sums
        change = scale[:, None] * powers - spread[:, None] * weights - tl.where(at_label, own[:, None], 0.0)
        change = tl.where(wrong[:, None], float("nan"), tl.where(ignored[:, None], 0.0, change))
        tl.store(slope + row[:, None] * CLASSES + column[None, :], change, there)


@triton.jit
def _long(logits, target, alpha, weight, grad, loss, most_and_log, slope, ignore_index, stride, alpha_step,
          grad_step, CLASSES: tl.constexpr, DENSE: tl.constexpr, ALPHAS: tl.constexpr, GRADS: tl.constexpr,
          SMOOTH: tl.constexpr, CONVENTION: tl.constexpr, WEIGHTED: tl.constexpr, LOSS: tl.constexpr,
          SLOPE: tl.constexpr, WIDTH: tl.constexpr, T: tl.constexpr):  # fmt: skip
    """One row. Its maximum, and the logarithm of its sum of exponentials relative to that, are left for a
    later pass for the slope, which reads them where it comes without ``LOSS``."""
    row = tl.program_id(0).to(tl.int64)
    label, own, spread, ignored, wrong = _terms(
        row, True, target, alpha, alpha_step, weight, ignore_index,
        CLASSES, ALPHAS, CONVENTION, WEIGHTED, T,
    )  # fmt: skip
    logits += row * (CLASSES if DENSE else stride)
    column = tl.arange(0, WIDTH)
    heft = tl.full((), 0.0, T)
    if LOSS:
        at_label = tl.load(logits + label).to(T)
        # what the smoothing term is relative to: logits that are large together shall lose nothing
        origin = tl.where((at_label > -float("inf")) & (at_label < float("inf")), at_label, 0.0)
        most = tl.full((), -float("inf"), T)
        sums = tl.full((), 0.0, T)
        total = tl.full((), 0.0, T)
        for start in range(0, CLASSES, WIDTH):
            there = start + column < CLASSES
            z = tl.load(logits + start + column, there, -float("inf")).to(T)
            before = most
            most = tl.maximum(most, tl.max(z, 0))
            shift = tl.where(most == -float("inf"), 0.0, most)  # as long as there are none but these
            sums = sums * tl.exp(before - shift) + tl.sum(tl.exp(z - shift), 0)
            z = tl.where(there, z - origin, 0.0)
            if WEIGHTED:
                weights = tl.load(weight + start + column, there, 0.0).to(T)
                heft += tl.sum(weights, 0)
                total += tl.sum(weights * z, 0)
            elif SMOOTH:
                total += tl.sum(z, 0)
        if not WEIGHTED:
            heft += CLASSES
        logs = tl.log(sums)
        value = own * (most - at_label + logs)
        if SMOOTH:
            value += spread * (heft * (most - origin + logs) - total)
        tl.store(loss + row, tl.where(wrong, float("nan"), tl.where(ignored, 0.0, value)))
        if not SLOPE:
            tl.store(most_and_log + 2 * row, most)
            tl.store(most_and_log + 2 * row + 1, logs)
    else:
        most = tl.load(most_and_log + 2 * row)
        logs = tl.load(most_and_log + 2 * row + 1)
        if WEIGHTED:
            for start in range(0, CLASSES, WIDTH):
                heft += tl.sum(tl.load(weight + start + column, start + column < CLASSES, 0.0).to(T), 0)
        else:
            heft += CLASSES
    if SLOPE:
        slope += row * CLASSES
        g = _value(grad, row, True, grad_step, GRADS, T)
        own = g * own
        spread = g * spread
        for start in range(0, CLASSES, WIDTH):
            there = start + column < CLASSES
            z = tl.load(logits + start + column, there, -float("inf")).to(T)
            change = (own + spread * heft) * tl.exp(z - most - logs)
            if WEIGHTED:
                change -= spread * tl.load(weight + start + column, there, 0.0).to(T)
            else:
                change -= spread
            change -= tl.where(start + column == label, own, 0.0)
            change = tl.where(wrong, float("nan"), tl.where(ignored, 0.0, change))
            tl.store(slope + start + column, change, there)


def losses(rows: Rows, reduction: str) -> tuple[Tensor, Tensor | None]:
    """The loss of each row [N] whatever the ``reduction``, and of long ones what `logit_grad` wants to know,
    [N,2]: with that and the logits it is as fast as to keep more, in less memory."""
    loss, kept, _ = _launch(rows, with_loss=True)
    return loss, kept


def logit_grad(grad: Tensor, rows: Rows, kept: Tensor | None) -> Tensor:
    """The gradient [N,K] of Σ grad·losses in the logits, for ``grad`` [N]."""
    return _launch(rows, grad, kept, with_loss=kept is None and rows.logits.shape[1] > TILE)[2]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Both, in one launch; ``grad`` may be a number."""
    loss, _, slope = _launch(rows, grad, with_loss=True)
    return loss, slope


def _launch(
    rows: Rows, grad: float | Tensor | None = None, kept: Tensor | None = None, *, with_loss: bool = False
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Losses [N], what is kept of long rows [N,2], and gradients [N,K], as far as they are asked for; else
    empty."""
    logits = rows.logits if rows.logits.stride(1) == 1 else rows.logits.contiguous()
    count, classes = logits.shape
    loss = logits.new_empty(count if with_loss else 0, dtype=rows.dtype)
    slope = logits.new_empty(0 if grad is None else count, classes)
    if with_loss and grad is None and classes > TILE:
        kept = loss.new_empty(count, 2)
    if not count:
        return loss, kept, slope
    (alpha, alphas, alpha_step), (grads, graded, grad_step) = (
        _in_memory(value, rows) for value in (rows.alpha, 0.0 if grad is None else grad)
    )
    weight = logits if rows.weight is None else rows.weight.contiguous()  # any address will do
    settings = {
        "CLASSES": classes,
        "DENSE": logits.stride(0) == classes,
        "ALPHAS": alphas,
        "GRADS": graded,
        "SMOOTH": rows.smooth,
        "CONVENTION": CONVENTIONS.index(rows.convention),
        "WEIGHTED": rows.weight is not None,
        "LOSS": with_loss,
        "SLOPE": grad is not None,
        "T": tl.float64 if rows.dtype == torch.float64 else tl.float32,
    }
    start = (logits, rows.target.contiguous(), alpha, weight, grads, loss)
    sizes = (rows.ignore_index, logits.stride(0), alpha_step, grad_step)
    with torch.cuda.device_of(logits):
        if classes <= TILE:
            width = triton.next_power_of_2(classes)
            height = max(NUMBERS // width, 1)
            grid = (triton.cdiv(count, height),)
            _short[grid](
                *start, slope, count, *sizes, HEIGHT=height, WIDTH=width, num_warps=SHORT_WARPS, **settings
            )
        else:
            place = loss if kept is None else kept  # any address will do
            _long[count,](*start, place, slope, *sizes, WIDTH=BLOCK, num_warps=LONG_WARPS, **settings)
    return loss, kept, slope


def _in_memory(value: float | Tensor, rows: Rows) -> tuple[float | Tensor, bool, int]:
    """``value`` for a kernel, whether that is an address, and the step from row to row there. BySeed are
    float32 to Triton."""
    if not isinstance(value, Tensor) and rows.dtype == torch.float64:
        value = torch.full((), value, dtype=rows.dtype, device=rows.logits.device)
    if isinstance(value, Tensor):
        return value, True, value.stride(0) if value.ndim else 0
    return float(value), False, 0
