"""A multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from lsbench.ops.dropout import KeyedDropout


class MLP(nn.Module):
    """Flatten, then Linear + ReLU + dropout for each hidden size, then Linear: [B,C,H,W] to logits [B,K].

    Initial weights are PyTorch's defaults. Raises ValueError for a hidden size below 1.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        if not isinstance(hidden, list | tuple) or any(not isinstance(n, int) or n < 1 for n in hidden):
            shown = list(hidden) if isinstance(hidden, tuple) else hidden
            raise ValueError(f"model.hidden={shown}: allowed are whole numbers of at least 1, such as [256]")
        sizes = (prod(shape), *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU(), KeyedDropout()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
