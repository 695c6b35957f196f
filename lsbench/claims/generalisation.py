"""Claim: smoothing improves generalisation."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import metric_of
from lsbench.analysis.evidence import (
    DEFAULT_ALPHA,
    Comparison,
    Evidence,
    at_grid_boundary,
    comparison,
    undecidable,
)
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    runs = evidence.runs
    chosen, plain = evidence.chosen(), evidence.by_seed("test_accuracy", alpha=0.0)
    largest = runs["alpha"].max()
    reasons = {}
    if at_grid_boundary(chosen["alpha"], largest):  # a larger α might gain more
        reasons = undecidable(["equivalent", "refuted"], largest)
    words = f"test accuracy, α chosen by {CRITERION_TITLE} against 0"
    return [
        comparison("test accuracy", evidence, "test_accuracy", ACCURACY_MARGIN),
        Comparison(words, metric_of(chosen, "test_accuracy"), plain, ACCURACY_MARGIN, undecidable=reasons),
        _gap(evidence),
    ]


def _gap(evidence: Evidence) -> Comparison:
    smoothed, plain = (
        train - test
        for train, test in zip(
            evidence.smoothed_and_plain("train_accuracy"),
            evidence.smoothed_and_plain("test_accuracy"),
            strict=True,
        )
    )
    words = f"train minus test accuracy, α = {DEFAULT_ALPHA:g} against 0"
    return Comparison(words, smoothed, plain, ACCURACY_MARGIN, -1)


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
