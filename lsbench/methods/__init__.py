"""Regularisers other than label smoothing, one file each; see `lsbench.terms.Method` for how to write one."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from torch import Tensor

from lsbench import registry
from lsbench.terms import Method

__path__ = registry.with_extensions(__path__, __name__)


@dataclass(frozen=True)
class Active:
    """A method that is on for some member of a stack: its strength [M], and the root key [M] of its draws."""

    method: Method
    strength: Tensor
    key: Tensor


@cache
def all_methods() -> dict[str, Method]:
    """Every method by the name of its file, except files whose names begin with an underscore."""
    return {name: import_module(f"{__name__}.{name}").METHOD for name in registry.names(__path__)}
