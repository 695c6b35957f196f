"""Claim: smoothing reduces overconfidence."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import BySeed
from lsbench.analysis.evidence import CONFIDENCE_MARGIN, DEFAULT_ALPHA, Comparison, Evidence, comparison
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    words = f"mean confidence, α = {DEFAULT_ALPHA:g} against 0"
    smoothed, plain = (_confidence(evidence.where(alpha=alpha)) for alpha in (DEFAULT_ALPHA, 0.0))
    return [
        comparison("confidence when wrong", evidence, "test_confidence_wrong", CONFIDENCE_MARGIN, better=-1),
        Comparison(words, smoothed, plain, CONFIDENCE_MARGIN, -1),
    ]


def _confidence(evidence: Evidence) -> BySeed:
    return evidence.by_seed("test_confidence_gap") + evidence.by_seed("test_accuracy")


CLAIM = Claim(
    words="it tames overconfidence",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Pereyra et al. 2017 (arXiv:1701.06548)",
    measured="confidence as trained, of wrong predictions, which decides, and of all predictions",
    compare=compare,
    rank=3,
)
