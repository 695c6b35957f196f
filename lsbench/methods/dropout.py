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


def idle(model: nn.Module, shift: int, flip: bool) -> str:
    """The reason why dropout would change nothing: a model without a layer of it."""
    if any(isinstance(module, KeyedDropout) for module in model.modules()):
        return ""
    return "the model has no lsbench.ops.dropout.KeyedDropout; add one, or choose another model"


METHOD = Method(knob="dropout", layers=layers, idle=idle)
