"""Does smoothing tame overconfidence?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import CONFIDENCE_MARGIN, Comparison, Evidence, comparison
from lsbench.claims._claim import Claim
from lsbench.store import runs

if TYPE_CHECKING:
    from lsbench.analysis.evidence import BySeed

WRONG = "test_confidence_wrong"


def compare(evidence: Evidence) -> Sequence[Comparison]:
    mean = evidence.runs["test_confidence_gap"] + evidence.runs["test_accuracy"]
    completed = replace(evidence, runs=evidence.runs.assign(confidence=mean, **{WRONG: when_wrong(evidence)}))
    return [
        comparison("confidence when wrong", completed, WRONG, CONFIDENCE_MARGIN, better=-1),
        comparison("mean confidence", completed, "confidence", CONFIDENCE_MARGIN, better=-1),
    ]


def when_wrong(evidence: Evidence) -> "BySeed":
    """The column, and from stored logits what it lacks: runs of an earlier lsbench have no such column."""
    import numpy as np

    table = evidence.runs
    values = table[WRONG].copy() if WRONG in table else table["test_accuracy"] * np.nan
    for place in values.index[values.isna() & (table["test_accuracy"] < 1)]:
        folder = runs.run_dir(evidence.results_dir, table["run"][place])
        values[place] = _confidence_wrong(*runs.read_predictions(folder))
    return values


def _confidence_wrong(logits: object, labels: object) -> float:
    import torch

    from lsbench.metrics import confidence_wrong

    probs = torch.as_tensor(logits).double().softmax(-1)
    return confidence_wrong.compute(probs, torch.as_tensor(labels)).item()


CLAIM = Claim(
    words="it tames overconfidence",
    source="Szegedy et al. 2016 (arXiv:1512.00567); Pereyra et al. 2017 (arXiv:1701.06548)",
    measured="confidence, as trained: of the wrong predictions, and of all",
    compare=compare,
    rank=3,
)
