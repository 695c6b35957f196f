"""Claim: smoothing makes a model robust to adversarial examples."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import BySeed
from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence
from lsbench.claims._claim import Claim

MARGIN = 0.01


def compare(evidence: Evidence) -> Sequence[Comparison]:
    return [_under("pgd", evidence), _under("fgsm", evidence)]


def _under(attack: str, evidence: Evidence) -> Comparison:
    smoothed, plain = (_accuracy(attack, evidence.where(alpha=alpha)) for alpha in (DEFAULT_ALPHA, 0.0))
    return Comparison(
        f"accuracy under {attack.upper()}, α = {DEFAULT_ALPHA:g} against 0", smoothed, plain, MARGIN
    )


def _accuracy(attack: str, evidence: Evidence) -> BySeed:
    import pandas as pd

    from lsbench.probes import run_probe

    values = {
        seed: run_probe(evidence.results_dir, run, attack)[f"{attack}_accuracy"]
        for seed, run in evidence.names().items()
    }
    return BySeed(pd.Series(values, dtype=float).dropna())


CLAIM = Claim(
    words="it resists adversarial examples",
    source=(
        "tutorials; Shafahi et al. 2019 (arXiv:1910.11585). FGSM: Goodfellow et al. 2015 (arXiv:1412.6572); "
        "PGD: Madry et al. 2018 (arXiv:1706.06083)"
    ),
    measured=(
        "test accuracy under PGD, which decides, and under FGSM, whose single gradient step may fail on a "
        "model whose gradients smoothing has made small"
    ),
    compare=compare,
    rank=6,
)
