"""The fastest implementation of the smoothed loss for given logits, as a function that autograd can
differentiate."""

import warnings
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function, forward_ad

from lsbench.ops import _cpu, _reference
from lsbench.ops._reference import Rows

# Fewer logits on a CPU are faster without a Function, which has an overhead of its own.
CPU_ELEMENTS = 2**16


def kernels(logits: Tensor) -> ModuleType | None:
    """The fastest kernels for ``logits`` [N,K], None for plain PyTorch.

    torch.compile makes its own kernels of plain PyTorch. Tensors transformed by torch.func and subclasses of
    Tensor may have no memory for a kernel to read.
    """
    if torch.compiler.is_compiling() or type(logits) not in (Tensor, nn.Parameter) or _transformed():
        return None
    if logits.device.type == "cpu":
        return _cpu
    return _triton(logits.device) if logits.device.type == "cuda" else None


def _transformed() -> bool:
    """Return whether a transform of torch.func is active, as `torch.autograd.Function.apply` checks it."""
    return torch._C._are_functorch_transforms_active()


@cache
def _triton(device: torch.device) -> ModuleType | None:
    """The Triton kernels, None if they do not compile: that needs a C compiler and a GPU that Triton
    supports."""
    if find_spec("triton") is None:
        return None
    from lsbench.ops import _triton

    label = torch.zeros(1, dtype=torch.int64, device=device)
    try:
        _triton.losses(Rows(torch.zeros(1, 2, device=device), label, 0.0, "uniform", None, -100), "none")
    except Exception as error:  # the compiler may raise anything
        warnings.warn(f"Triton cannot compile the loss, so it is slower: {error}", stacklevel=2)
        return None
    return _triton


def is_small(rows: Rows) -> bool:
    """Return whether the overhead of calls dominates: few logits, in the memory of a CPU."""
    logits = rows.logits
    return _reference.on_cpu(logits) and logits.numel() < CPU_ELEMENTS and kernels(logits) is not None


def losses(rows: Rows, reduction: str) -> Tensor:
    """The loss of each row [N], to which the caller applies the ``reduction``."""
    fastest, logits, alpha = kernels(rows.logits), rows.logits, rows.alpha
    if fastest is None or is_small(rows) or _has_tangent(logits) or _has_tangent(alpha):
        return _reference.losses(rows)
    if isinstance(alpha, Tensor):
        rows = rows._replace(alpha=alpha.expand(len(rows.target)))
    if not (torch.is_grad_enabled() and logits.requires_grad):
        reduction = "none"
    loss: Tensor = _Losses.apply(*rows, fastest, reduction)
    return loss


def _has_tangent(value: float | Tensor) -> bool:
    """Return whether ``value`` is part of forward-mode differentiation, for which the kernels have no
    rule."""
    if not isinstance(value, Tensor):
        return False
    # torch declares no types for unpack_dual
    return forward_ad.unpack_dual(value).tangent is not None  # type: ignore[no-untyped-call]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N], and the gradient [N,K] of Σ grad·losses in the logits; ``grad`` is a number or [N]."""
    if (fastest := kernels(rows.logits)) is None:
        if not isinstance(grad, Tensor):
            grad = torch.full_like(rows.target, grad, dtype=rows.dtype)
        return _reference.losses(rows), _reference.logit_grad(grad, rows)
    result: tuple[Tensor, Tensor] = fastest.losses_and_logit_grad(grad, rows)
    return result


class _Losses(Function):
    """From the fields of `Rows`, with alpha a number or [N], the kernels and the reduction to the losses
    [N]."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *fields, ctx.kernels, reduction = arguments
        rows = Rows(*fields)
        tensors = {name: value for name, value in rows._asdict().items() if isinstance(value, Tensor)}
        ctx.names, ctx.others = tuple(tensors), {n: v for n, v in rows._asdict().items() if n not in tensors}
        ctx.save_for_backward(*tensors.values())
        loss: Tensor
        loss, ctx.cached = ctx.kernels.losses(rows, reduction)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows = Rows(**dict(zip(ctx.names, ctx.saved_tensors, strict=True)), **ctx.others)
        cached, ctx.cached = ctx.cached, None  # its receiver may write to it, and call backward again
        logit_grad = alpha_grad = None
        if ctx.needs_input_grad[0]:
            if torch.is_grad_enabled() or not _is_stored(grad):  # kernels have no derivatives of their own
                logit_grad = _reference.logit_grad(grad, rows)
            else:
                logit_grad = ctx.kernels.logit_grad(grad, rows, cached)
        if ctx.needs_input_grad[2]:
            alpha_grad = _reference.alpha_grad(grad, rows)
        return logit_grad, None, alpha_grad, None, None, None, None, None


def _is_stored(tensor: Tensor) -> bool:
    """Return whether a kernel could read ``tensor``: vmap's batch of gradients has no memory of its own."""
    try:
        tensor.untyped_storage()
    except NotImplementedError:  # torch raises it for a tensor without memory of its own
        return False
    return True
