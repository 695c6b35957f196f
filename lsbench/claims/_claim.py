"""The record that a claim's file declares."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import Comparison, Evidence, Measurement

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.execution.plan import Job


@dataclass(frozen=True)
class Claim:
    """``words``: the claim as people make it; ``source``: who does, or has measured it; ``measured``: what is
    compared here and by what criterion, written before any outcome is known. ``compare`` makes comparisons of
    the evidence, of which the first decides the claim. ``measure`` is for what is timed rather than trained:
    it is given the jobs of the grid, whose runs are stored, and returns a table.
    ``students`` is an experiment whose runs learn from those of the grid: it is done once for each cell of
    the grid, as their method.teacher. ``rank`` orders the claims, the most important first; those without one
    come last, by name."""

    words: str
    source: str
    measured: str
    compare: Callable[[Evidence], Sequence[Comparison | Measurement]]
    measure: "Callable[[Sequence[Job]], pd.DataFrame] | None" = None
    students: str = ""
    rank: float = math.inf
