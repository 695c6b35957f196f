"""The kernels' losses as a function that autograd and torch.func know."""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lsbench.ops import _plain
from lsbench.ops._plain import Rows

# Below these, plain PyTorch is as fast on a CPU: its operations on few classes, and on what caches hold.
CPU_CLASSES = 64
CPU_NUMBERS = 2**16


def kernels(logits: Tensor) -> ModuleType | None:
    """What is fastest for ``logits`` [N,K], or None where that is `_plain`. torch.compile makes its own
    kernels of that."""
    if torch.compiler.is_compiling():
        return None
    if logits.device.type == "cpu" and logits.shape[1] >= CPU_CLASSES and logits.numel() >= CPU_NUMBERS:
        from lsbench.ops import _cpu

        return _cpu
    return None


def losses(rows: Rows) -> Tensor:
    """The loss of each row [N], by the fastest way."""
    if kernels(rows.logits) is None:
        return _plain.losses(rows)
    alpha = rows.alpha
    if isinstance(alpha, Tensor):
        alpha = alpha.expand(len(rows.target))
    found: Tensor = _Losses.apply(*rows._replace(alpha=alpha))
    return found


def losses_and_slopes(grad: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N], and the gradient [N,K] of Σ grad·losses in the logits, by the fastest way."""
    if (module := kernels(rows.logits)) is None:
        return _plain.losses(rows), _plain.slopes(grad, rows)
    both: tuple[Tensor, Tensor] = module.losses_and_slopes(grad, rows)
    return both


class _Losses(Function):
    """`Rows`, with alpha a number or [N], to their losses [N]."""

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        rows = Rows(*arguments)
        found: Tensor = (kernels(rows.logits) or _plain).losses(rows)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        fields = Rows(*inputs)._asdict()
        tensors = {name: value for name, value in fields.items() if isinstance(value, Tensor)}
        ctx.names, ctx.others = tuple(tensors), {n: v for n, v in fields.items() if n not in tensors}
        ctx.save_for_backward(*tensors.values())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows = Rows(**dict(zip(ctx.names, ctx.saved_tensors, strict=True)), **ctx.others)
        again = torch.is_grad_enabled()  # for second derivatives, which kernels do not have
        slopes = alpha = None
        if ctx.needs_input_grad[0]:
            slopes = (_plain if again else kernels(rows.logits) or _plain).slopes(grad, rows)
        if ctx.needs_input_grad[2]:
            alpha = _plain.alpha_slopes(grad, rows)
        return slopes, None, alpha, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
        """V times N rows are rows as well; only weights that differ take a call each."""
        size, places = info.batch_size, dict(zip(Rows._fields, in_dims, strict=True))
        if places["weight"] is not None:
            parts = [
                [value] * size if at is None else value.unbind(at)
                for value, at in zip(arguments, in_dims, strict=True)
            ]
            return torch.stack([_Losses.apply(*one) for one in zip(*parts, strict=True)]), 0

        def flat(value: Any, at: int | None) -> Any:
            if not isinstance(value, Tensor):
                return value
            return (value.expand(size, *value.shape) if at is None else value.movedim(at, 0)).flatten(0, 1)

        fields = Rows(*arguments)._asdict()
        joined = {n: value if n == "weight" else flat(value, places[n]) for n, value in fields.items()}
        losses: Tensor = _Losses.apply(*Rows(**joined))
        return losses.view(size, len(losses) // size), 0
