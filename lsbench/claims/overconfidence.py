"""Does smoothing tame overconfidence?"""

from collections.abc import Sequence

from lsbench.claims._claim import CONFIDENCE_MARGIN, Claim, Comparison, Evidence, comparison


def compare(evidence: Evidence) -> Sequence[Comparison]:
    mean = evidence.runs["test_confidence_gap"] + evidence.runs["test_accuracy"]
    confidence = Evidence(evidence.runs.assign(confidence=mean))
    return [
        comparison("confidence when wrong", evidence, "test_confidence_wrong", CONFIDENCE_MARGIN, better=-1),
        comparison("mean confidence", confidence, "confidence", CONFIDENCE_MARGIN, better=-1),
    ]


CLAIM = Claim(
    words="it tames overconfidence",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Pereyra et al. 2017 (arXiv:1701.06548)",
    measured="confidence, as trained: of the wrong predictions, and of all",
    compare=compare,
)
