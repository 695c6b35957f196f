"""Factorial design of smoothing and another method, each on and off."""

from collections.abc import Sequence

from lsbench.analysis.evidence import DEFAULT_ALPHA, ON, Comparison, Evidence
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def adds_to(knob: str, words: str, source: str) -> Claim:
    """The claim that smoothing adds to the method with this ``knob``, which people call ``words``.

    It means that the two together are better than the method alone, and that comparison decides. The second
    comparison is the interaction contrast of the 2 × 2 design, paired by seed: the gain of smoothing with the
    method minus its gain without.
    """
    added = {
        "supported": f"better than {words} alone",
        "equivalent": f"nothing on top of {words}",
        "refuted": f"worse than {words} alone",
    }
    summed = {
        "supported": "together more than their sum",
        "equivalent": "the gains add up",
        "refuted": "the gains overlap",
    }

    def compare(evidence: Evidence) -> Sequence[Comparison]:
        smoothed, plain = evidence.smoothed_and_plain("test_accuracy", **{knob: ON})
        gain_with, gain_without = evidence.interaction("test_accuracy", {knob: ON}, {knob: 0})
        accuracy = f"test accuracy with {words}, α = {DEFAULT_ALPHA:g} against 0"
        gain = f"gain of α = {DEFAULT_ALPHA:g} with {words} minus gain without"
        return [
            Comparison(accuracy, smoothed, plain, ACCURACY_MARGIN, meaning=added),
            Comparison(gain, gain_with, gain_without, ACCURACY_MARGIN, meaning=summed),
        ]

    return Claim(
        words=f"it adds to {words}",
        source=source,
        measured=(
            f"test accuracy of {words} with smoothing against {words} alone, which decides; and the "
            "interaction of the two, each on and off: whether their gains add up"
        ),
        compare=compare,
        rank=9,
    )
