"""Should α be lower where labels are noisy?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsbench.claims._claim import Claim, Comparison, Evidence, Unit, slopes

if TYPE_CHECKING:
    from lsbench.claims._claim import Numbers

SLOPE_MARGIN = 0.05  # of alpha, from no noise to all noise


def compare(evidence: Evidence) -> Sequence[Comparison]:
    slope = slope_of_chosen(evidence)
    words = "slope of the α chosen on select over the share of noisy labels"
    return [Comparison(words, slope, slope * 0, SLOPE_MARGIN, -1, Unit("", 1, 3))]


def slope_of_chosen(evidence: Evidence) -> "Numbers":
    """For each seed the least-squares slope of its chosen alpha over the noise."""
    import pandas as pd

    levels = sorted(evidence.runs["label_noise"].unique())
    chosen = {level: evidence.chosen(label_noise=level)["alpha"] for level in levels}
    return slopes(pd.DataFrame(chosen).dropna(), levels)


CLAIM = Claim(
    words="under label noise α should be lower",
    source=(
        "Wei et al. 2022 (arXiv:2106.04149) and tutorials; against it Lukasik et al. 2020 (arXiv:2003.02819)"
    ),
    measured="the α with the least NLL on select, whose labels are clean, at each level of noise",
    compare=compare,
    meaning={"refuted": "it should be higher", "equivalent": "noise does not matter to α"},
    rank=5,
)
