"""The loss of each row by what computes it fastest, as a function that autograd and torch.func know."""

from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lsbench.ops import _cpu, _plain
from lsbench.ops._plain import Rows

# Of fewer numbers the plain loss is as fast on a CPU, since a Function costs some 80 µs.
CPU_NUMBERS = 2**16


def kernels(logits: Tensor) -> ModuleType | None:
    """What is fastest for ``logits`` [N,K], or None where that is `_plain`. torch.compile makes its own
    kernels of that."""
    if torch.compiler.is_compiling():
        return None
    if logits.device.type == "cpu":
        return _cpu if logits.numel() >= CPU_NUMBERS else None
    if logits.device.type == "cuda" and _has_triton():
        from lsbench.ops import _triton

        return _triton
    return None


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def losses(rows: Rows, expected: float | None = None) -> Tensor:
    """The loss of each row [N]; on the way back the gradient of each is probably as ``expected``."""
    if kernels(rows.logits) is None:
        return _plain.losses(rows)
    alpha = rows.alpha
    if isinstance(alpha, Tensor):
        alpha = alpha.expand(len(rows.target))
    if not (torch.is_grad_enabled() and rows.logits.requires_grad):
        expected = None
    found: Tensor = _Losses.apply(*rows._replace(alpha=alpha), expected)[0]
    return found


def losses_and_slopes(grad: float | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """The losses [N], and the gradient [N,K] of Σ grad·losses in the logits, for a number or [N]."""
    found = kernels(rows.logits)
    if found is None and _plain.on_cpu(rows.logits) and not torch.compiler.is_compiling():
        found = _cpu  # without a Function it is worth while for any number of them
    if found is None:
        own = torch.as_tensor(grad, dtype=rows.dtype, device=rows.logits.device)
        return _plain.losses(rows), _plain.slopes(own, rows)
    both: tuple[Tensor, Tensor] = found.losses_and_slopes(grad, rows)
    return both


class _Losses(Function):
    """`Rows`, with alpha a number or [N], and the gradient that is expected of each loss, to their losses [N]
    and to what kernels keep for the way back."""

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, Tensor | None]:
        *fields, expected = arguments
        rows = Rows(*fields)
        if (found := kernels(rows.logits)) is None:  # fewer rows than those that this was called for
            return _plain.losses(rows), None
        both: tuple[Tensor, Tensor | None] = found.losses(rows, expected)
        return both

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]) -> None:
        ctx.expected = inputs[-1]
        fields = Rows(*inputs[:-1])._asdict() | {"kept": output[1]}
        tensors = {name: value for name, value in fields.items() if isinstance(value, Tensor)}
        ctx.names, ctx.others = tuple(tensors), {n: v for n, v in fields.items() if n not in tensors}
        ctx.save_for_backward(*tensors.values())
        ctx.save_for_forward(*tensors.values())
        if output[1] is not None:
            ctx.mark_non_differentiable(output[1])
            ctx.set_materialize_grads(False)  # or zeros were made of its size for nothing

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        rows, kept = _saved(ctx)
        slopes: Tensor | None = None
        alpha: Tensor | None = None
        if grad is None:
            return (None,) * 7
        if ctx.needs_input_grad[0]:
            # kernels have no derivatives of their own
            plain = torch.is_grad_enabled() or not _is_stored(grad)
            found = None if plain else kernels(rows.logits)
            known = ctx.expected, kept
            slopes = _plain.slopes(grad, rows) if found is None else found.slopes(grad, rows, *known)
        if ctx.needs_input_grad[2]:
            alpha = _plain.alpha_slopes(grad, rows)
        return slopes, None, alpha, None, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, logits: Tensor | None, _: None, alpha: Tensor | None, *__: Any
    ) -> tuple[Tensor, Tensor | None]:
        rows = _saved(ctx)[0]
        one = torch.ones_like(rows.target, dtype=rows.dtype)
        change = torch.zeros_like(one)
        if logits is not None:
            exact = rows._replace(logits=rows.logits.to(rows.dtype))
            change = change + (_plain.slopes(one, exact) * logits).sum(-1)
        if alpha is not None:
            change = change + _plain.alpha_slopes(one, rows) * alpha
        return change, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        """V times N rows are rows as well; only weights that differ take a call each."""
        size, places = info.batch_size, dict(zip(Rows._fields, in_dims[:-1], strict=True))
        if places["weight"] is not None:
            parts = [
                [value] * size if at is None else value.unbind(at)
                for value, at in zip(arguments, in_dims, strict=True)
            ]
            found = [_Losses.apply(*one) for one in zip(*parts, strict=True)]
            losses, kept = (
                None if each[0] is None else torch.stack(each) for each in zip(*found, strict=True)
            )
        else:

            def flat(value: Any, at: int | None) -> Any:
                if not isinstance(value, Tensor):
                    return value
                return (value.expand(size, *value.shape) if at is None else value.movedim(at, 0)).flatten(
                    0, 1
                )

            *values, expected = arguments
            fields = Rows(*values)._asdict()
            joined = {n: value if n == "weight" else flat(value, places[n]) for n, value in fields.items()}
            found = _Losses.apply(*Rows(**joined), expected)
            losses, kept = (
                None if each is None else each.view(size, len(each) // size, *each.shape[1:])
                for each in found
            )
        return (losses, kept), (0, None if kept is None else 0)


def _is_stored(tensor: Tensor) -> bool:
    """Whether a kernel could read it: what vmap makes of a batch of gradients has no memory of its own."""
    try:
        tensor.untyped_storage()
    except NotImplementedError:
        return False
    return True


def _saved(ctx: Any) -> tuple[Rows, Tensor | None]:
    fields = dict(zip(ctx.names, ctx.saved_tensors, strict=True)) | ctx.others
    kept = fields.pop("kept")
    return Rows(**fields), kept
