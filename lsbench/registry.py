"""How things that are a file each are found."""

from collections.abc import Iterable
from pkgutil import iter_modules


def names(folders: Iterable[str]) -> list[str]:
    """The modules of a package by its ``__path__``, sorted; files whose names begin with an underscore are no
    parts."""
    return sorted(module.name for module in iter_modules(folders) if not module.name.startswith("_"))
