"""Claim: dropout slows convergence."""

from collections.abc import Mapping, Sequence

from lsbench.analysis.by_seed import BySeed
from lsbench.analysis.evidence import ON, Comparison, Evidence
from lsbench.claims._claim import Claim
from lsbench.formatting import EPOCHS

MARGIN = 0.5
SHARE = 0.95  # of the plain run's best: late on the curve, and fixed without looking at dropout
LOWER_BOUND = "some never reached it, so dropout takes longer than was counted"


def compare(evidence: Evidence) -> Sequence[Comparison]:
    dropout, plain = (evidence.history("select_accuracy", dropout=state) for state in (ON, 0))
    targets = {seed: SHARE * max(history) for seed, history in plain.items()}
    with_dropout, without = epochs_to(targets, dropout), epochs_to(targets, plain)
    never = sum(with_dropout.values[seed] > len(dropout[seed]) for seed in dropout if seed in targets)
    words = f"epochs to {100 * SHARE:g} % of the plain run's best select accuracy, dropout against none"
    reasons = {}
    if never:
        words += (
            f" (with dropout {never} of {len(with_dropout.seeds)} seeds never, counted as one epoch more)"
        )
        reasons = dict.fromkeys(("equivalent", "refuted"), LOWER_BOUND)
    meaning = {"refuted": "dropout is faster"}
    return [Comparison(words, with_dropout, without, MARGIN, 1, EPOCHS, meaning, reasons)]


def epochs_to(targets: Mapping[int, float], histories: Mapping[int, Sequence[float]]) -> BySeed:
    """For each seed in both, the first epoch, counted from 1, after which the accuracy is at least the
    target; if it never is, one more than were trained."""
    import pandas as pd

    epochs = {
        seed: next((i for i, value in enumerate(history, 1) if value >= targets[seed]), len(history) + 1)
        for seed, history in histories.items()
        if seed in targets
    }
    return BySeed(pd.Series(epochs, dtype=float))


CLAIM = Claim(
    words="dropout slows convergence",
    source="Srivastava et al. 2014 (JMLR 15:1929): two to three times as long",
    measured=(
        f"epochs until select accuracy reaches {100 * SHARE:g} % of the best of the seed's plain run. A run "
        "with dropout that never reaches it counts as one epoch more than were trained; if there are such "
        "runs, the verdict is “supported” or none"
    ),
    compare=compare,
    rank=11,
)
