"""Claim: smoothing calibrates better, as trained and compared with temperature scaling."""

from collections.abc import Sequence

from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence, comparison
from lsbench.analysis.verdicts import ECE_MARGIN, NLL_MARGIN
from lsbench.claims._claim import Claim
from lsbench.formatting import NATS, POINTS

GAP = "test_confidence_gap"


def compare(evidence: Evidence) -> Sequence[Comparison]:
    smoothed = evidence.by_seed("test_ece", alpha=DEFAULT_ALPHA)
    scaled = evidence.by_seed("test_ece_ts", alpha=0.0)
    rival = f"ECE, α = {DEFAULT_ALPHA:g} as trained against temperature scaling alone"
    return [
        comparison("ECE as trained", evidence, "test_ece", ECE_MARGIN, better=-1),
        comparison("ECE, both scaled", evidence, "test_ece_ts", ECE_MARGIN, better=-1),
        Comparison(rival, smoothed, scaled, ECE_MARGIN, -1),
        comparison("NLL as trained", evidence, "test_nll", NLL_MARGIN, better=-1, unit=NATS),
        comparison("NLL, both scaled", evidence, "test_nll_ts", NLL_MARGIN, better=-1, unit=NATS),
        distance(evidence),
    ]


def distance(evidence: Evidence) -> Comparison:
    """The distance between mean confidence and accuracy. The signed gaps are reported and not judged: going
    from slightly over-confident to far under-confident is not an improvement."""
    smoothed, plain = evidence.smoothed_and_plain(GAP)
    seeds = smoothed.seeds.intersection(plain.seeds)
    means = (POINTS.number(gap.values.loc[seeds].mean(), sign=True) for gap in (smoothed, plain))
    signed = " against ".join(means)
    words = f"distance of confidence from accuracy, α = {DEFAULT_ALPHA:g} against 0 (signed: {signed})"
    return Comparison(words, abs(smoothed), abs(plain), ECE_MARGIN, -1)


CLAIM = Claim(
    words="it calibrates better",
    source=(
        "Müller et al. 2019 (arXiv:1906.02629), where temperature scaling does as well or better; "
        "Guo et al. 2017 (arXiv:1706.04599) for the scaling"
    ),
    measured=(
        "ECE as trained, which decides; ECE and NLL, as trained and after temperature scaling; and the "
        "distance between mean confidence and accuracy: a signed gap below 0 means an under-confident model, "
        "which ECE alone hides"
    ),
    compare=compare,
    rank=2,
)
