"""Do small models gain less?"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lsbench.claims._claim import USUAL, Claim, Comparison, Evidence, Unit, slopes
from lsbench.report.verdicts import ACCURACY_MARGIN

if TYPE_CHECKING:
    import pandas as pd

SLOPE_MARGIN = 0.001


def compare(evidence: Evidence) -> Sequence[Comparison]:
    gains = gains_by_width(evidence)
    small, large = (gains[width] for width in (gains.columns[0], gains.columns[-1]))
    slope = slopes(gains, np.log2(gains.columns.to_numpy(dtype=float)))
    gain = f"gain in test accuracy at α = {USUAL:g}"
    widths = f"{gains.columns[-1]} hidden units against {gains.columns[0]}"
    per_doubling = Unit(" points per doubling", 100, 3)
    return [
        Comparison(f"slope of the {gain} over width", slope, slope * 0, SLOPE_MARGIN, 1, per_doubling),
        Comparison(f"{gain}, {widths}", large, small, ACCURACY_MARGIN),
    ]


def gains_by_width(evidence: Evidence) -> "pd.DataFrame":
    """What alpha 0.1 adds to test accuracy: a row a seed, a column a width, ascending."""
    import pandas as pd

    widths = {text: sum(json.loads(text)) for text in evidence.runs["model.hidden"].unique()}
    gains = {
        width: evidence.gain("test_accuracy", **{"model.hidden": text})
        for text, width in sorted(widths.items(), key=lambda pair: pair[1])
    }
    return pd.DataFrame(gains).dropna()


CLAIM = Claim(
    words="small models gain less",
    source="tutorials",
    measured="how the gain in test accuracy changes with the number of hidden units",
    compare=compare,
    meaning={"refuted": "small models gain more", "equivalent": "width does not matter"},
    rank=8,
)
