"""Regularisers other than smoothing, one file a method; `all_methods` finds them by their files."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from torch import Tensor

from lsbench.terms import Method


@dataclass(frozen=True)
class Active:
    """A method that some member has switched on: its strength [M] and the root key [M] of its draws."""

    method: Method
    strength: Tensor
    key: Tensor


@cache
def all_methods() -> dict[str, Method]:
    """Every method by its file's name; files whose names begin with an underscore are left out."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}").METHOD for name in names}
