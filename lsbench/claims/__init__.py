"""Claims about label smoothing, each tested by an experiment; one file for each claim.

A claim is a file beside this one with ``CLAIM = Claim(...)``, and its grid of runs is the sweep in
conf/experiment/claims/ under the same name. Files whose names begin with an underscore are helpers.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module

from lsbench import registry
from lsbench.claims._claim import Claim
from lsbench.errors import UsageError, shown, suggest_or_list

__all__ = ["Claim", "all_claims", "choose"]

__path__ = registry.with_extensions(__path__, __name__)


@cache
def all_claims() -> dict[str, Claim]:
    """Every claim by its file's name, the most important first."""
    claims = {name: import_module(f"{__name__}.{name}").CLAIM for name in registry.names(__path__)}
    return dict(sorted(claims.items(), key=lambda item: item[1].rank))  # stable: by name among equals


def choose(names: Sequence[str]) -> list[str]:
    """``names`` in the order of `all_claims`; all claims for no name. Raises `UsageError` if unknown."""
    known = all_claims()
    for name in names:
        if name not in known:
            raise UsageError(f"{shown(name)}: no such claim{suggest_or_list(name, known)}")
    return [name for name in known if name in names or not names]
