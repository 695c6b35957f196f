"""Two factors, smoothing and another method, each on and off: does one's gain survive the other?"""

from collections.abc import Sequence

from lsbench.claims._claim import USUAL, Claim, Comparison, Evidence
from lsbench.report.verdicts import ACCURACY_MARGIN


def adds_to(knob: str, words: str, source: str) -> Claim:
    """The claim that smoothing adds to the method with this ``knob``, which people call ``words``.

    Its measure is the interaction contrast of the 2 × 2 design, paired by seed: what smoothing gains with the
    method on, minus what it gains with the method off.
    """

    def compare(evidence: Evidence) -> Sequence[Comparison]:
        on, off = (evidence.gain("test_accuracy", **{knob: state}) for state in (True, False))
        smoothed, plain = evidence.both("test_accuracy", **{knob: True})
        return [
            Comparison(f"gain of α = {USUAL:g} with {words} minus gain without", on, off, ACCURACY_MARGIN),
            Comparison(
                f"test accuracy with {words}, α = {USUAL:g} against 0", smoothed, plain, ACCURACY_MARGIN
            ),
        ]

    return Claim(
        words=f"it adds to {words}",
        source=source,
        measured=f"the interaction of smoothing and {words} in test accuracy, each on and off",
        compare=compare,
        meaning={
            "supported": "together more than their sum",
            "equivalent": "the gains add up",
            "refuted": "the gains overlap",
        },
        rank=9,
    )
