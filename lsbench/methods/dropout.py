"""Dropout of hidden units (Srivastava et al. 2014)."""

from torch import Tensor, nn

from lsbench import rng
from lsbench.ops.dropout import KeyedDropout
from lsbench.terms import Method


def layers(model: nn.Module, strength: Tensor, keys: Tensor) -> dict[str, Tensor]:
    """Probability and key for each dropout layer of the model; layer i draws from position i of the key."""
    values = {}
    dropouts = [item for item in model.named_modules() if isinstance(item[1], KeyedDropout)]
    for index, (name, module) in enumerate(dropouts):
        module.active = True
        values[f"{name}.probability"] = strength
        values[f"{name}.key"] = rng.fold(keys, index)
    return values


METHOD = Method(knob="dropout", layers=layers)
