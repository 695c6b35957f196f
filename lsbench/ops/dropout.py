"""Dropout whose mask is a pure function of a key, which may differ between the members of a stack."""

from typing import Any

import torch
from torch import Tensor, nn

from lsbench import rng


class KeyedDropout(nn.Module):
    """Dropout: zero each activation with ``probability`` and scale the rest by 1/(1 - probability).

    ``probability`` (float, in [0, 1)) and ``key`` (int64) are buffers, set before each training step; under
    vmap they differ between members. Each activation is decided by 16 bits, so the probability is exact to
    1/65536. At probability 0 the output equals the input bit for bit. In eval mode, and unless ``active`` is
    set, the layer does nothing.
    """

    probability: Tensor
    key: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.active = False
        self.register_buffer("probability", torch.zeros(()), persistent=False)
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.active):
            return x
        draws: Tensor = _Draws.apply(self.key, x.numel()).view(x.shape)
        dropped_below = (self.probability * 65536 - 32768).to(torch.int16)
        scale = (1 / (1 - self.probability)).to(x.dtype)
        return torch.where(draws >= dropped_below, x * scale, 0)


class _Draws(torch.autograd.Function):
    """``n`` random int16 for each key [...], four from each word of `rng.bits`. This class exists because
    vmap has no rule for the view that splits the words (torch 2.11)."""

    @staticmethod
    def forward(keys: Tensor, n: int) -> Tensor:
        return rng.bits(keys, -(-n // 4)).view(torch.int16)[..., :n]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], keys: Tensor, n: int) -> tuple[Tensor, int]:
        draws: Tensor = _Draws.apply(keys.movedim(in_dims[0], 0), n)
        return draws, 0
