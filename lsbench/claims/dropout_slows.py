"""Does dropout slow convergence?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import EPOCHS, Comparison, Evidence
from lsbench.claims._claim import Claim

if TYPE_CHECKING:
    from lsbench.analysis.evidence import BySeed

MARGIN = 0.5
SHARE = 0.95  # of the plain run's best: well up the curve, and set without a look at dropout
LOWER_BOUND = "some never got there, so dropout takes longer than was counted"


def compare(evidence: Evidence) -> Sequence[Comparison]:
    on, off = (evidence.history("select_accuracy", dropout=state) for state in (True, False))
    targets = {seed: SHARE * max(history) for seed, history in off.items()}
    with_dropout, without = epochs_to(targets, on), epochs_to(targets, off)
    never = sum(with_dropout[seed] > len(on[seed]) for seed in on if seed in targets)
    words = f"epochs to {100 * SHARE:g} % of the plain run's best select accuracy, dropout against none"
    if never:
        words += f" (with dropout {never} of {len(with_dropout)} seeds never, counted as one epoch more)"
    withheld = dict.fromkeys(("equivalent", "refuted"), LOWER_BOUND) if never else {}
    meaning = {"refuted": "dropout is faster"}
    return [Comparison(words, with_dropout, without, MARGIN, 1, EPOCHS, meaning, withheld)]


def epochs_to(targets: Mapping[int, float], histories: Mapping[int, Sequence[float]]) -> "BySeed":
    """For each seed that is in both the first epoch, counted from 1, after which the accuracy is its target
    or more; one more than were trained where it never is."""
    import pandas as pd

    found = {
        seed: next((i for i, value in enumerate(history, 1) if value >= targets[seed]), len(history) + 1)
        for seed, history in histories.items()
        if seed in targets
    }
    return pd.Series(found, dtype=float)


CLAIM = Claim(
    words="dropout slows convergence",
    source="Srivastava et al. 2014 (JMLR 15:1929): two to three times as long",
    measured=(
        f"epochs until select accuracy is at {100 * SHARE:g} % of the best that the plain run of the seed "
        "reaches; a run with dropout that never is counts as one epoch more than were trained, and where "
        "there are such runs, the verdict is “supported” or none"
    ),
    compare=compare,
    rank=11,
)
