"""`lsbench claims`: test claims about label smoothing by experiment."""

from collections.abc import Sequence

from lsbench.cli import train


def main(arguments: Sequence[str]) -> int:
    """Train the runs of the named claims, or of all; judge the claims and return the exit code."""
    parsed = train.parse("claims", arguments)

    from lsbench.claims import choose, overview, page_name

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
