"""Is α = 0.1 a good default?"""

from collections.abc import Sequence

from lsbench.claims._claim import NATS, USUAL, Claim, Comparison, Evidence
from lsbench.report.verdicts import ACCURACY_MARGIN, NLL_MARGIN

MEANING = {
    "supported": "better than choosing",
    "equivalent": "nothing is lost by not choosing",
    "refuted": "choosing pays",
}


def compare(evidence: Evidence) -> Sequence[Comparison]:
    chosen, usual = evidence.chosen(), evidence.where(alpha=USUAL)
    words = f"α = {USUAL:g} against α chosen by {evidence.criterion.short}"
    accuracy, nll = usual.by_seed("test_accuracy"), usual.by_seed("test_nll_ts")
    return [
        Comparison(
            f"test accuracy, {words}", accuracy, chosen["test_accuracy"], ACCURACY_MARGIN, meaning=MEANING
        ),
        Comparison(f"NLL after scaling, {words}", nll, chosen["test_nll_ts"], NLL_MARGIN, -1, NATS),
    ]


CLAIM = Claim(
    words="α = 0.1 is a good default",
    source="Szegedy et al. 2016 (arXiv:1512.00567) and most tutorials",
    measured=(
        "what is lost on test (regret) by taking 0.1 instead of the α that each seed's select split chooses "
        "by NLL after temperature scaling: in accuracy, which decides, and in NLL after scaling"
    ),
    compare=compare,
    rank=12,
)
