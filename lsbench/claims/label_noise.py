"""Claim: smoothing helps if training labels are wrong."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import BySeed, mean
from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    levels = sorted(level for level in evidence.runs["label_noise"].unique() if level > 0)
    smoothed, plain = (_mean(evidence.where(alpha=alpha), levels) for alpha in (DEFAULT_ALPHA, 0.0))
    listed = ", ".join(f"{level:g}" for level in levels)
    words = f"test accuracy, α = {DEFAULT_ALPHA:g} against 0, mean over noise {listed}"
    return [
        Comparison(words, smoothed, plain, ACCURACY_MARGIN),
        *(_at(level, evidence.where(label_noise=level)) for level in levels),
    ]


def _mean(evidence: Evidence, levels: Sequence[float]) -> BySeed:
    """Test accuracy by seed, averaged over ``levels`` of noise."""
    return mean({level: evidence.by_seed("test_accuracy", label_noise=level) for level in levels})


def _at(level: float, evidence: Evidence) -> Comparison:
    smoothed, plain = evidence.smoothed_and_plain("test_accuracy")
    words = f"test accuracy, α = {DEFAULT_ALPHA:g} against 0, noise {level:g}"
    return Comparison(words, smoothed, plain, ACCURACY_MARGIN)


CLAIM = Claim(
    words="it helps under label noise",
    source=(
        "Lukasik et al. 2020 (arXiv:2003.02819): yes; Wei et al. 2022 (arXiv:2106.04149): not if noise is "
        "high; tutorials say both"
    ),
    measured=(
        "accuracy on clean test labels after training with a share of the training labels replaced: the mean "
        "over the shares, which decides, and each of them"
    ),
    compare=compare,
    rank=4,
)
