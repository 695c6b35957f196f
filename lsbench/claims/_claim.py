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
    """``words``: the claim as people make it. ``source``: who makes or has measured it. ``measured``: what is
    compared here and by which criterion, written before any outcome is known.

    ``compare`` makes the comparisons from the evidence; the first one decides the claim. ``measure`` is for
    what is timed rather than trained: it receives the jobs of the grid, whose runs are stored, and returns a
    table. ``students`` names an experiment whose runs are distilled from those of the grid; it is run once
    for each cell of the grid, as their method.teacher. ``rank`` orders the claims, the most important first;
    claims without a rank come last, by name.
    """

    words: str
    source: str
    measured: str
    compare: Callable[[Evidence], Sequence[Comparison | Measurement]]
    measure: "Callable[[Sequence[Job]], pd.DataFrame] | None" = None
    students: str = ""
    rank: float = math.inf
