"""Claim: small models gain less from smoothing."""

import json
import math
from collections.abc import Sequence

from lsbench.analysis.by_seed import BySeed, regression_slopes
from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence, comparison
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim
from lsbench.formatting import Unit

SLOPE_MARGIN = 0.001
PER_DOUBLING = Unit(" points per doubling", 100, 3)
MEANING = {"refuted": "small models gain more", "equivalent": "width does not matter"}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    gains = gains_by_width(evidence)
    slope = regression_slopes({math.log2(width): gain for width, gain in gains.items()})
    words = f"slope of the gain in test accuracy at α = {DEFAULT_ALPHA:g} over width"
    return [
        Comparison(words, slope, slope * 0, SLOPE_MARGIN, 1, PER_DOUBLING, MEANING),
        *(
            comparison(
                f"test accuracy with {width} hidden units",
                evidence.where(**{"model.hidden": text}),
                "test_accuracy",
                ACCURACY_MARGIN,
            )
            for width, text in layers_by_width(evidence).items()
        ),
    ]


def layers_by_width(evidence: Evidence) -> dict[int, str]:
    """The runs' values of model.hidden by the number of hidden units, ascending."""
    widths = {sum(json.loads(text)): text for text in evidence.runs["model.hidden"].unique()}
    return dict(sorted(widths.items()))


def gains_by_width(evidence: Evidence) -> dict[int, BySeed]:
    """The gain in test accuracy of alpha 0.1 by width, ascending."""
    return {
        width: evidence.gain("test_accuracy", **{"model.hidden": text})
        for width, text in layers_by_width(evidence).items()
    }


CLAIM = Claim(
    words="small models gain less",
    source="tutorials",
    measured=(
        "how the gain in test accuracy changes with the number of hidden units: its slope over each "
        "doubling, which decides, and the gain at each width"
    ),
    compare=compare,
    rank=8,
)
