"""Claim: smoothing reduces overconfidence."""

from collections.abc import Sequence
from dataclasses import replace

from lsbench.analysis.evidence import CONFIDENCE_MARGIN, Comparison, Evidence, comparison
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    mean = evidence.runs["test_confidence_gap"] + evidence.runs["test_accuracy"]
    with_mean = replace(evidence, runs=evidence.runs.assign(confidence=mean))
    return [
        comparison("confidence when wrong", with_mean, "test_confidence_wrong", CONFIDENCE_MARGIN, better=-1),
        comparison("mean confidence", with_mean, "confidence", CONFIDENCE_MARGIN, better=-1),
    ]


CLAIM = Claim(
    words="it tames overconfidence",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Pereyra et al. 2017 (arXiv:1701.06548)",
    measured="confidence as trained, of wrong predictions, which decides, and of all predictions",
    compare=compare,
    rank=3,
)
