"""Claim: α = 0.1 is a good default."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import metric_of
from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence, at_grid_boundary, undecidable
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN, NLL_MARGIN
from lsbench.claims._claim import Claim
from lsbench.formatting import NATS

MEANING = {
    "supported": "better than choosing",
    "equivalent": "nothing is lost by not choosing",
    "refuted": "choosing pays",
}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    chosen, default = evidence.chosen(), evidence.where(alpha=DEFAULT_ALPHA)
    largest = evidence.runs["alpha"].max()
    reasons = {}
    if at_grid_boundary(chosen["alpha"], largest):
        # A larger α might be a better choice, and a default that does as well now would do worse.
        reasons = undecidable(["equivalent", "supported"], largest)
    words = f"α = {DEFAULT_ALPHA:g} against α chosen by {CRITERION_TITLE}"
    return [
        Comparison(
            f"test accuracy, {words}",
            default.by_seed("test_accuracy"),
            metric_of(chosen, "test_accuracy"),
            ACCURACY_MARGIN,
            meaning=MEANING,
            undecidable=reasons,
        ),
        Comparison(
            f"NLL after scaling, {words}",
            default.by_seed("test_nll_ts"),
            metric_of(chosen, "test_nll_ts"),
            NLL_MARGIN,
            better=-1,
            unit=NATS,
            undecidable=reasons,
        ),
    ]


CLAIM = Claim(
    words="α = 0.1 is a good default",
    source="Szegedy et al. 2016 (arXiv:1512.00567) and most tutorials",
    measured=(
        "the loss on test (regret) of taking 0.1 instead of the α that each seed's select split chooses by "
        "NLL: in accuracy, which decides, and in NLL after scaling. If most seeds choose the largest α of "
        "the grid, the verdict cannot be that nothing is lost, since a larger one might be better"
    ),
    compare=compare,
    rank=12,
)
