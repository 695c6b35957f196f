"""Claims about label smoothing, each tested by an experiment; one file for each claim.

A claim is a file beside this one with ``CLAIM = Claim(...)``, and its grid of runs is the sweep in
conf/experiment/claims/ under the same name. Files whose names begin with an underscore are helpers.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from lsbench import registry
from lsbench.claims._claim import Claim
from lsbench.errors import UsageError, suggest_or_list

__all__ = [
    "Claim",
    "all_claims",
    "choose",
    "measured_file",
    "overview",
    "page_name",
]

__path__ = registry.with_extensions(__path__, __name__)

HELP = """\
lsbench claims [NAME ...] [KEY=VALUE ...]: what people claim of label smoothing, with a verdict each

  lsbench claims                                    every claim, on the default data and model
  lsbench claims generalisation cost                these two
  lsbench claims data=mnist 'seed=range(8)'         on other data, with other seeds
  lsbench claims --dry-run                          what would be trained, and how long it takes

Claims:
{claims}

Runs that are stored are used again, those of `lsbench compare` too. The page is results/NAME/claims.html,
with claims.md and claims.csv beside it. NAME is claims-<data>-<model>; where some claims are asked for it
also tells which, as claims-mnist5k-mlp-cost+width, so that their page never takes the place of that of all.
name= sets another. p values are adjusted over the deciding comparisons of a page, which tells their number.

Settings and flags are those of lsbench train; a setting that a claim varies itself can be fixed only where
that claim is not asked for.
"""
LONGEST = 40  # of the claims' part in NAME, for which a name has room


@cache
def all_claims() -> dict[str, Claim]:
    """Every claim by its file's name, the most important first."""
    found = {name: import_module(f"{__name__}.{name}").CLAIM for name in registry.names(__path__)}
    return dict(sorted(found.items(), key=lambda item: item[1].rank))  # stable: by name among equals


def choose(names: Sequence[str]) -> list[str]:
    """``names`` in the order of `all_claims`, or all there are where none is given. Raises `UsageError` for
    one unknown."""
    known = all_claims()
    for name in names:
        if name not in known:
            raise UsageError(f"{name}: no such claim{suggest_or_list(name, known)}")
    return [name for name in known if name in names or not names]


def page_name(names: Sequence[str]) -> str:
    """What the page of these claims is called where nobody says, as a value for Hydra. Holm's correction is
    over a page, so a page of some claims is another than that of all: it has their names, or a hash of many.
    """
    whole = "claims-${data.name}-${model.name}"
    if len(names) == len(all_claims()):
        return whole
    listed = "+".join(names)
    if len(listed) > LONGEST:
        listed = f"{len(names)}of{len(all_claims())}-{sha256(listed.encode()).hexdigest()[:8]}"
    return f"{whole}-{listed}"


def measured_file(folder: Path, claim: str) -> Path:
    """Where in the sweep's ``folder`` the table is kept that the claim's own `measure` made."""
    return folder / f"measured-{claim}.csv"


def overview() -> str:
    """The page of `lsbench claims --help`."""
    width = max(map(len, all_claims()))
    lines = (f"  {name:{width}}  {claim.words}" for name, claim in all_claims().items())
    return HELP.format(claims="\n".join(lines))
