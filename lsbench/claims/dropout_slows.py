"""Does dropout slow convergence?"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lsbench.claims._claim import EPOCHS, Claim, Comparison, Evidence

if TYPE_CHECKING:
    from lsbench.claims._claim import Numbers

MARGIN = 0.5


def compare(evidence: Evidence) -> Sequence[Comparison]:
    on, off = (evidence.history("select_accuracy", dropout=state) for state in (True, False))
    target = within_reach([*on.values(), *off.values()])
    words = f"epochs to {100 * target:.0f} % on select, dropout against none"
    return [Comparison(words, epochs_to(target, on), epochs_to(target, off), MARGIN, 1, EPOCHS)]


def within_reach(histories: Sequence[Sequence[float]]) -> float:
    """The highest accuracy, in whole per cent, that each of these reaches; 0 where there are none."""
    least = min((max(history) for history in histories), default=0.0)
    return math.floor(100 * least + 1e-9) / 100


def epochs_to(target: float, histories: Mapping[int, Sequence[float]]) -> "Numbers":
    """For each seed the first epoch, counted from 1, after which the accuracy is ``target`` or more."""
    import pandas as pd

    found = {
        seed: next((epoch for epoch, value in enumerate(history, 1) if value >= target), math.nan)
        for seed, history in histories.items()
    }
    return pd.Series(found, dtype=float).dropna()


CLAIM = Claim(
    words="dropout slows convergence",
    source="Srivastava et al. 2014 (JMLR 15:1929): two to three times as long",
    measured="epochs until select accuracy is at the highest whole per cent that every run reaches",
    compare=compare,
    meaning={"refuted": "dropout is faster"},
    rank=11,
)
