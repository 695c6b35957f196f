"""Claims about label smoothing, each tested by an experiment; one file for each claim.

A claim is a file beside this one with ``CLAIM = Claim(...)``, and its grid of runs is the sweep in
conf/experiment/claims/ under the same name. Files whose names begin with an underscore are helpers.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module

from lsbench import registry
from lsbench.claims._claim import Claim
from lsbench.errors import UsageError, suggest_or_list

__all__ = ["Claim", "all_claims", "choose", "overview", "page_name"]

__path__ = registry.with_extensions(__path__, __name__)

HELP = """\
lsbench claims [NAME ...] [KEY=VALUE ...]: what people claim of label smoothing, with a verdict each

  lsbench claims                                    every claim, on the default data and model
  lsbench claims generalisation cost                these two
  lsbench claims data=mnist 'seed=range(8)'         on other data, with other seeds
  lsbench claims --dry-run                          what would be trained, and how long it takes

Claims:
{claims}

Stored runs are used again, also those of `lsbench compare`. The page is results/NAME/claims.html, with
claims.md and claims.csv beside it. NAME is claims-<data>-<model>, followed by the names of the claims if only
some are tested (claims-mnist5k-mlp-cost+width); name= sets another. p values are adjusted over the deciding
comparisons of a page, which states their number.

Settings and flags are those of lsbench train. A setting that a claim varies can't be fixed for that claim.
"""
LONGEST = 40  # characters that a name has room for after claims-<data>-<model>


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
            raise UsageError(f"{name}: no such claim{suggest_or_list(name, known)}")
    return [name for name in known if name in names or not names]


def page_name(names: Sequence[str]) -> str:
    """The default name of the page of these claims, as a value for Hydra.

    Holm's correction is over a page, so a page of some claims differs from the page of all of them: its name
    has their names, or a hash if there are many.
    """
    whole = "claims-${data.name}-${model.name}"
    if len(names) == len(all_claims()):
        return whole
    listed = "+".join(names)
    if len(listed) > LONGEST:
        listed = f"{len(names)}of{len(all_claims())}-{sha256(listed.encode()).hexdigest()[:8]}"
    return f"{whole}-{listed}"


def overview() -> str:
    """The page of `lsbench claims --help`."""
    width = max(map(len, all_claims()))
    lines = (f"  {name:{width}}  {claim.words}" for name, claim in all_claims().items())
    return HELP.format(claims="\n".join(lines))
