"""Claim: α should be lower if labels are noisy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.by_seed import BySeed, regression_slopes
from lsbench.analysis.evidence import Comparison, Evidence, at_grid_boundary, undecidable
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.claims._claim import Claim
from lsbench.formatting import Unit

if TYPE_CHECKING:
    import pandas as pd

SLOPE_MARGIN = 0.05  # of alpha, from no noise to all noise
MEANING = {"refuted": "it should be higher", "equivalent": "noise does not matter to α"}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    chosen = chosen_by_noise(evidence)
    slope = regression_slopes({float(level): BySeed(chosen[level]) for level in chosen.columns})
    words = f"slope of the α chosen by {CRITERION_TITLE} over the share of noisy labels"
    reasons = undecidable_slopes(chosen, evidence.runs["alpha"].max())
    return [Comparison(words, slope, slope * 0, SLOPE_MARGIN, -1, Unit("", 1, 3), MEANING, reasons)]


def chosen_by_noise(evidence: Evidence) -> "pd.DataFrame":
    """The chosen alpha: a row per seed, a column per share of noisy labels, ascending."""
    import pandas as pd

    levels = sorted(evidence.runs["label_noise"].unique())
    chosen = {level: evidence.chosen(label_noise=level)["alpha"] for level in levels}
    return pd.DataFrame(chosen).dropna()


def undecidable_slopes(chosen: "pd.DataFrame", largest: float) -> dict[str, str]:
    """The verdicts that a larger grid might undo, with the reason. Where most seeds choose the ``largest``
    alpha at some level of noise, a larger one might be better. That would lower the slope if the level is
    below the mean of all levels and raise it if above, so the only safe verdict is that of a slope which it
    would make steeper."""
    levels = [level for level in chosen.columns if at_grid_boundary(chosen[level], largest)]
    mean = chosen.columns.to_numpy(dtype=float).mean()
    words = []
    if levels:
        words.append("equivalent")
    if any(level < mean for level in levels):
        words.append("refuted")
    if any(level > mean for level in levels):
        words.append("supported")
    listed = ", ".join(f"{level:g}" for level in levels)
    return undecidable(words, largest, f"noise {listed}")


CLAIM = Claim(
    words="under label noise α should be lower",
    source=(
        "Wei et al. 2022 (arXiv:2106.04149) and tutorials; against it Lukasik et al. 2020 (arXiv:2003.02819)"
    ),
    measured=(
        "how the α with the least NLL on select, whose labels are clean, changes with the share of noisy "
        "labels. If most seeds choose the largest α of the grid at some share, there is a verdict only if a "
        "larger one would make the slope steeper"
    ),
    compare=compare,
    rank=5,
)
