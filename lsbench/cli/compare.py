"""`lsbench compare`: the experiment in conf/experiment/compare.yaml."""

from collections.abc import Sequence

from lsbench.cli import train


def main(arguments: Sequence[str]) -> int:
    """Train the runs that are not stored, report, and return the exit code."""
    return train.start("compare", arguments, train.parse("compare", arguments), ["experiment=compare"])
