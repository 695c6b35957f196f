"""Does smoothing generalise better?"""

from collections.abc import Sequence

from lsbench.analysis.evidence import Comparison, Evidence, comparison
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim
from lsbench.claims._edge import is_at_the_edge, withheld


def compare(evidence: Evidence) -> Sequence[Comparison]:
    gap = evidence.runs.assign(gap=evidence.runs["train_accuracy"] - evidence.runs["test_accuracy"])
    chosen, plain = evidence.chosen(), evidence.by_seed("test_accuracy", alpha=0.0)
    largest = evidence.runs["alpha"].max()
    # A larger α might gain more.
    unsafe = withheld(["equivalent", "refuted"], largest) if is_at_the_edge(chosen["alpha"], largest) else {}
    words = f"test accuracy, α chosen by {CRITERION_TITLE} against 0"
    return [
        comparison("test accuracy", evidence, "test_accuracy", ACCURACY_MARGIN),
        Comparison(words, chosen["test_accuracy"], plain, ACCURACY_MARGIN, withheld=unsafe),
        comparison("train minus test accuracy", Evidence(gap), "gap", ACCURACY_MARGIN, better=-1),
    ]


CLAIM = Claim(
    words="it generalises better",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Müller et al. 2019 (arXiv:1906.02629)",
    measured=(
        "test accuracy at α = 0.1, which decides, and at the α that each seed's select split chooses by NLL; "
        "and the gap between train and test accuracy"
    ),
    compare=compare,
    rank=1,
)
