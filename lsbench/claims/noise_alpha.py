"""Should α be lower where labels are noisy?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import Comparison, Evidence, Unit, regression_slopes
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.claims._claim import Claim
from lsbench.claims._edge import is_at_the_edge, withheld

if TYPE_CHECKING:
    import pandas as pd

SLOPE_MARGIN = 0.05  # of alpha, from no noise to all noise
MEANING = {"refuted": "it should be higher", "equivalent": "noise does not matter to α"}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    chosen = chosen_by_noise(evidence)
    slope = regression_slopes(chosen, chosen.columns.to_numpy(dtype=float).tolist())
    words = f"slope of the α chosen by {CRITERION_TITLE} over the share of noisy labels"
    unsafe = at_the_edge(chosen, evidence.runs["alpha"].max())
    return [Comparison(words, slope, slope * 0, SLOPE_MARGIN, -1, Unit("", 1, 3), MEANING, unsafe)]


def chosen_by_noise(evidence: Evidence) -> "pd.DataFrame":
    """The chosen alpha: a row a seed, a column a share of noisy labels, ascending."""
    import pandas as pd

    levels = sorted(evidence.runs["label_noise"].unique())
    chosen = {level: evidence.chosen(label_noise=level)["alpha"] for level in levels}
    return pd.DataFrame(chosen).dropna()


def at_the_edge(chosen: "pd.DataFrame", largest: float) -> dict[str, str]:
    """The verdicts that may be the grid's doing, and why: where most seeds choose the ``largest`` alpha at
    some level, a larger one might be better there. That would turn the slope down at a level below the mean
    of all and up at one above it, so no verdict is safe but that of a slope which it would make
    steeper."""
    levels = [level for level in chosen.columns if is_at_the_edge(chosen[level], largest)]
    mean = chosen.columns.to_numpy(dtype=float).mean()
    unsafe = ["equivalent"] if levels else []
    unsafe += ["refuted"] if any(level < mean for level in levels) else []
    unsafe += ["supported"] if any(level > mean for level in levels) else []
    listed = ", ".join(f"{level:g}" for level in levels)
    return withheld(unsafe, largest, f"noise {listed}")


CLAIM = Claim(
    words="under label noise α should be lower",
    source=(
        "Wei et al. 2022 (arXiv:2106.04149) and tutorials; against it Lukasik et al. 2020 (arXiv:2003.02819)"
    ),
    measured=(
        "how the α with the least NLL on select, whose labels are clean, changes with the share of noisy "
        "labels. Where most seeds choose the largest α of the grid at some share, there is a verdict only if "
        "a still larger one there would make the slope steeper"
    ),
    compare=compare,
    rank=5,
)
