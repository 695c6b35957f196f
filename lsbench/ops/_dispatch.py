"""The loss of each row by what computes it fastest, as a function that autograd knows."""

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

# Fewer are faster without a Function on a CPU, which has a cost of its own.
CPU_NUMBERS = 2**16


def kernels(logits: Tensor) -> ModuleType | None:
    """What is fastest for ``logits`` [N,K] in memory, or None where that is `_plain`. torch.compile makes its
    own kernels of that, and what torch.func makes of a tensor, or a subclass, may have no memory to read."""
    if torch.compiler.is_compiling() or type(logits) not in (Tensor, nn.Parameter) or _transformed():
        return None
    if logits.device.type == "cpu":
        return _cpu
    return _triton(logits.device) if logits.device.type == "cuda" else None


def _transformed() -> bool:
    """Whether a transform of torch.func is at work, as `torch.autograd.Function.apply` asks."""
    return torch._C._are_functorch_transforms_active()


@cache
def _triton(device: torch.device) -> ModuleType | None:
    """Triton's kernels, if it can make them: it wants a C compiler, and a GPU that is not too old."""
    if find_spec("triton") is None:
        return None
    from lsbench.ops import _triton

    label = torch.zeros(1, dtype=torch.int64, device=device)
    try:
        _triton.losses(Rows(torch.zeros(1, 2, device=device), label, 0.0, "uniform", None, -100), "none")
    except Exception as error:  # whatever stops a compiler
        warnings.warn(f"no Triton, so the loss takes longer: {error}", stacklevel=2)
        return None
    return _triton


def is_small(rows: Rows) -> bool:
    """Whether the least overhead counts most: few numbers, in the memory of a CPU."""
    logits = rows.logits
    return _reference.on_cpu(logits) and logits.numel() < CPU_NUMBERS and kernels(logits) is not None


def losses(rows: Rows, reduction: str) -> Tensor:
    """The loss of each row [N], of which the caller takes the ``reduction``."""
    found, logits, alpha = kernels(rows.logits), rows.logits, rows.alpha
    if found is None or is_small(rows) or _has_tangent(logits) or _has_tangent(alpha):
        return _reference.losses(rows)
    if isinstance(alpha, Tensor):
        rows = rows._replace(alpha=alpha.expand(len(rows.target)))
    if not (torch.is_grad_enabled() and logits.requires_grad):
        reduction = "none"
    made: Tensor = _Losses.apply(*rows, found, reduction)
    return made


def _has_tangent(value: float | Tensor) -> bool:
    """Whether forward differentiation goes on from it, for which kernels have no rule."""
    if not isinstance(value, Tensor):
        return False
    # torch gives this function no types
    return forward_ad.unpack_dual(value).tangent is not None  # type: ignore[no-untyped-call]


def losses_and_logit_grad(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N], and the gradient [N,K] of Σ grad·losses in the logits, for a number or [N]."""
    if (found := kernels(rows.logits)) is None:
        own = grad if isinstance(grad, Tensor) else torch.full_like(rows.target, grad, dtype=rows.dtype)
        return _reference.losses(rows), _reference.logit_grad(own, rows)
    both: tuple[Tensor, Tensor] = found.losses_and_logit_grad(grad, rows)
    return both


class _Losses(Function):
    """`Rows`, with alpha a number or [N], the kernels and the reduction, to their losses [N]."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *fields, ctx.kernels, reduction = arguments
        rows = Rows(*fields)
        tensors = {name: value for name, value in rows._asdict().items() if isinstance(value, Tensor)}
        ctx.names, ctx.others = tuple(tensors), {n: v for n, v in rows._asdict().items() if n not in tensors}
        ctx.save_for_backward(*tensors.values())
        loss: Tensor
        loss, ctx.kept = ctx.kernels.losses(rows, reduction)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows = Rows(**dict(zip(ctx.names, ctx.saved_tensors, strict=True)), **ctx.others)
        kept, ctx.kept = ctx.kept, None  # who is given it may write there, and come again
        logit_grad = alpha = None
        if ctx.needs_input_grad[0]:
            if torch.is_grad_enabled() or not _is_stored(grad):  # kernels have no derivatives of their own
                logit_grad = _reference.logit_grad(grad, rows)
            else:
                logit_grad = ctx.kernels.logit_grad(grad, rows, kept)
        if ctx.needs_input_grad[2]:
            alpha = _reference.alpha_grad(grad, rows)
        return logit_grad, None, alpha, None, None, None, None, None


def _is_stored(tensor: Tensor) -> bool:
    """Whether a kernel could read it: what vmap makes of a batch of gradients has no memory of its own."""
    try:
        tensor.untyped_storage()
    except NotImplementedError:  # which is how such a tensor says so
        return False
    return True
