"""Dropout of hidden units (Srivastava et al. 2014)."""

from torch import Tensor, nn

from lsbench import rng
from lsbench.ops.dropout import KeyedDropout
from lsbench.terms import Method


def layers(model: nn.Module, strength: Tensor, keys: Tensor) -> dict[str, Tensor]:
    """Switch on the dropout layers of the model, and return the probability and key of each; layer i draws
    from position i of the key."""
    values = {}
    dropouts = [(name, module) for name, module in model.named_modules() if isinstance(module, KeyedDropout)]
    for index, (name, module) in enumerate(dropouts):
        module.active = True
        values[f"{name}.probability"] = strength
        values[f"{name}.key"] = rng.fold(keys, index)
    return values


METHOD = Method(knob="dropout", layers=layers)
