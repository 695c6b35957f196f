"""Choices at the edge of the grid, which may be the grid's doing: a larger alpha might be better still."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsbench.analysis.evidence import BySeed


def is_at_the_edge(chosen: "BySeed", largest: float) -> bool:
    """Whether most seeds choose the ``largest`` alpha of the grid. An alpha of 0 is no such edge: there is
    none below, and a grid of it alone leaves no choice."""
    return largest > 0 and bool((chosen == largest).mean() > 0.5)


def withheld(verdicts: Sequence[str], largest: float, where: str = "") -> dict[str, str]:
    """These verdicts, and why they are not given: a `Comparison`'s ``withheld``."""
    return dict.fromkeys(
        verdicts, f"at the edge of the grid: most seeds choose α = {largest:g}{where and f' at {where}'}"
    )
