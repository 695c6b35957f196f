"""Claim: smoothing improves generalisation."""

from collections.abc import Sequence

from lsbench.analysis.evidence import Comparison, Evidence, at_grid_boundary, comparison, undecidable
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    runs = evidence.runs
    with_gap = Evidence(runs.assign(gap=runs["train_accuracy"] - runs["test_accuracy"]))
    chosen, plain = evidence.chosen(), evidence.by_seed("test_accuracy", alpha=0.0)
    largest = runs["alpha"].max()
    reasons = {}
    if at_grid_boundary(chosen["alpha"], largest):  # a larger α might gain more
        reasons = undecidable(["equivalent", "refuted"], largest)
    words = f"test accuracy, α chosen by {CRITERION_TITLE} against 0"
    return [
        comparison("test accuracy", evidence, "test_accuracy", ACCURACY_MARGIN),
        Comparison(words, chosen["test_accuracy"], plain, ACCURACY_MARGIN, undecidable=reasons),
        comparison("train minus test accuracy", with_gap, "gap", ACCURACY_MARGIN, better=-1),
    ]


CLAIM = Claim(
    words="it generalises better",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Müller et al. 2019 (arXiv:1906.02629)",
    measured=(
        "test accuracy at α = 0.1, which decides, and at the α that each seed's select split chooses by NLL; "
        "the gap between train and test accuracy"
    ),
    compare=compare,
    rank=1,
)
