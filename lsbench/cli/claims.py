"""`lsbench claims`: test claims about label smoothing by experiment."""

from collections.abc import Sequence
from hashlib import sha256

from lsbench.cli import train

HELP = """\
usage: lsbench claims [NAME ...] [KEY=VALUE ...] [--dry-run] [--config-dir DIR]

Test what people claim of label smoothing, with a verdict on each claim.

  lsbench claims                                    every claim, on the default data and model
  lsbench claims generalisation cost                these two
  lsbench claims data=mnist 'seed=range(8)'         on other data, with other seeds
  lsbench claims --dry-run                          what would be trained, and how long it takes

Claims:
{claims}

Flags:
  --dry-run         show what would be trained and how long it takes; write nothing
  --config-dir DIR  add claims, settings and code of your own

Stored runs are used again, also those of `lsbench compare`. The page is results/NAME/claims.html,
with claims.md and claims.csv beside it. NAME is claims-<data>-<model>, followed by the names of the
claims if only some are tested (claims-mnist5k-mlp-cost+width); name= sets another. p values are
adjusted over the deciding comparisons of a page, which states their number.

Settings and the other flags are those of lsbench train. A setting that a claim varies can't be
fixed for that claim.
"""
LONGEST = 40  # characters that a name has room for after claims-<data>-<model>


def main(arguments: Sequence[str]) -> int:
    """Train the runs of the named claims, or of all; judge the claims and return the exit code."""
    parsed = train.parse("claims", arguments)

    from lsbench.claims import choose

    if parsed.help:
        print(overview(), end="")
        return 0
    names = [word for word in parsed.overrides if "=" not in word and not word.startswith("~")]
    parsed.overrides = [word for word in parsed.overrides if word not in names]
    chosen = choose(names)
    preset = ["hydra.mode=MULTIRUN", "hydra/sweeper=claims", f"hydra.sweeper.claims=[{','.join(chosen)}]"]
    if not any(word.startswith("name=") for word in parsed.overrides):
        preset.append(f"name={page_name(chosen)}")
    return train.start("claims", arguments, parsed, preset)


def page_name(names: Sequence[str]) -> str:
    """The default name of the page of these claims, as a value for Hydra.

    Holm's correction is over a page, so a page of some claims differs from the page of all of them: its name
    has their names, or a hash if there are many.
    """
    from lsbench.claims import all_claims

    whole = "claims-${data.name}-${model.name}"
    if len(names) == len(all_claims()):
        return whole
    listed = "+".join(names)
    if len(listed) > LONGEST:
        listed = f"{len(names)}of{len(all_claims())}-{sha256(listed.encode()).hexdigest()[:8]}"
    return f"{whole}-{listed}"


def overview() -> str:
    """The page of `lsbench claims --help`."""
    from lsbench.claims import all_claims

    width = max(map(len, all_claims()))
    lines = (f"  {name:{width}}  {claim.words}" for name, claim in all_claims().items())
    return HELP.format(claims="\n".join(lines))
