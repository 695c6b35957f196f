"""Regularisers other than smoothing, one file a method; `all_methods` finds them by their files."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from torch import Tensor

from lsbench import registry
from lsbench.terms import Method

__path__ = registry.with_extensions(__path__, __name__)


@dataclass(frozen=True)
class Active:
    """A method that some member has switched on: its strength [M] and the root key [M] of its draws."""

    method: Method
    strength: Tensor
    key: Tensor


@cache
def all_methods() -> dict[str, Method]:
    """Every method by its file's name; files whose names begin with an underscore are left out."""
    return {name: import_module(f"{__name__}.{name}").METHOD for name in registry.names(__path__)}
