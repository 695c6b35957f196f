"""Does smoothing help where train labels are wrong?"""

from collections.abc import Sequence

from lsbench.claims._claim import USUAL, Claim, Comparison, Evidence
from lsbench.report.verdicts import ACCURACY_MARGIN


def compare(evidence: Evidence) -> Sequence[Comparison]:
    import pandas as pd

    levels = sorted(level for level in evidence.runs["label_noise"].unique() if level > 0)
    gains = {level: evidence.gain("test_accuracy", label_noise=level) for level in levels}
    mean = pd.DataFrame(gains).dropna().mean(axis=1)
    listed = ", ".join(f"{level:g}" for level in levels)
    words = f"test accuracy, α = {USUAL:g} against 0, mean over noise {listed}"
    return [
        Comparison(words, mean, mean * 0, ACCURACY_MARGIN),
        *(_at(level, evidence.where(label_noise=level)) for level in levels),
    ]


def _at(level: float, evidence: Evidence) -> Comparison:
    smoothed, plain = evidence.both("test_accuracy")
    words = f"test accuracy, α = {USUAL:g} against 0, noise {level:g}"
    return Comparison(words, smoothed, plain, ACCURACY_MARGIN)


CLAIM = Claim(
    words="it helps under label noise",
    source=(
        "Lukasik et al. 2020 (arXiv:2003.02819): yes; Wei et al. 2022 (arXiv:2106.04149): not where noise is "
        "high; tutorials say both"
    ),
    measured="accuracy on clean test labels after training with a share of the train labels replaced",
    compare=compare,
    rank=4,
)
