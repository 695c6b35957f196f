"""Claim: augmentation beats smoothing."""

from collections.abc import Sequence

from lsbench.analysis.evidence import DEFAULT_ALPHA, ON, Comparison, Evidence
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    augmented = evidence.by_seed("test_accuracy", alpha=0.0, augment=ON)
    smoothed = evidence.by_seed("test_accuracy", alpha=DEFAULT_ALPHA, augment=0)
    words = f"test accuracy, augmentation alone against α = {DEFAULT_ALPHA:g} alone"
    meaning = {"refuted": "smoothing wins"}
    return [Comparison(words, augmented, smoothed, ACCURACY_MARGIN, meaning=meaning)]


CLAIM = Claim(
    words="augmentation beats it",
    source="tutorials",
    measured="test accuracy of each alone",
    compare=compare,
    rank=10,
)
