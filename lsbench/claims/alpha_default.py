"""Is α = 0.1 a good default?"""

from collections.abc import Sequence
from dataclasses import replace

from lsbench.analysis.evidence import DEFAULT_ALPHA, NATS, Comparison, Evidence
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN, NLL_MARGIN
from lsbench.claims._claim import Claim
from lsbench.claims._edge import is_at_the_edge, withheld

MEANING = {
    "supported": "better than choosing",
    "equivalent": "nothing is lost by not choosing",
    "refuted": "choosing pays",
}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    chosen, usual, largest = (
        evidence.chosen(),
        evidence.where(alpha=DEFAULT_ALPHA),
        evidence.runs["alpha"].max(),
    )
    # Among larger ones a better choice might be found, and a default that now does as well would do worse.
    unsafe = (
        withheld(["equivalent", "supported"], largest) if is_at_the_edge(chosen["alpha"], largest) else {}
    )
    words = f"α = {DEFAULT_ALPHA:g} against α chosen by {CRITERION_TITLE}"
    accuracy, nll = usual.by_seed("test_accuracy"), usual.by_seed("test_nll_ts")
    regret = Comparison(
        f"test accuracy, {words}", accuracy, chosen["test_accuracy"], ACCURACY_MARGIN, meaning=MEANING
    )
    scaled = Comparison(f"NLL after scaling, {words}", nll, chosen["test_nll_ts"], NLL_MARGIN, -1, NATS)
    return [replace(each, withheld=unsafe) for each in (regret, scaled)]


CLAIM = Claim(
    words="α = 0.1 is a good default",
    source="Szegedy et al. 2016 (arXiv:1512.00567) and most tutorials",
    measured=(
        "what is lost on test (regret) by taking 0.1 instead of the α that each seed's select split chooses "
        "by NLL: in accuracy, which decides, and in NLL after scaling. "
        "Where most seeds choose the largest α of the grid, there is no verdict that nothing is lost, since "
        "a larger one might be better"
    ),
    compare=compare,
    rank=12,
)
