"""Runs as a claim's grid would give them, with a planted truth."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest

from lsbench.analysis.evidence import Evidence
from lsbench.analysis.findings import judge_claims
from lsbench.analysis.verdicts import Judged
from lsbench.claims import all_claims

ALPHAS = [0.0, 0.05, 0.1, 0.15, 0.2]
NOISE = [0.0, 0.2, 0.4, 0.6]
OFF = {
    "alpha": 0.0, "label_noise": 0.0, "dropout": 0.0, "augment": 0.0, "weight_decay": 0.0,
    "model.hidden": "[256]", "train_accuracy": 0.99, "test_accuracy": 0.9, "test_nll": 0.3,
    "test_nll_ts": 0.3, "test_ece": 0.05, "test_ece_ts": 0.02, "test_confidence_gap": 0.05,
    "test_confidence_wrong": 0.7, "select_nll": 0.3, "select_nll_ts": 0.3,
}  # fmt: skip
METRICS = [name for name in OFF if name.startswith(("train_", "test_", "select_"))]

Row = dict[str, object]


def make_runs(
    grid: Mapping[str, Sequence[object]],
    effect: Callable[[Row], Mapping[str, float]] = lambda row: {},
    noise: float = 0.0,
    seeds: int = 10,
) -> pd.DataFrame:
    """A row for each point of ``grid`` and seed. Each metric is the sum of ``effect``, a random term that all
    runs of the seed share, and normal noise of its own."""
    random = np.random.default_rng(0)
    luck = random.normal(0, 0.02, seeds)
    rows = []
    for values in product(*grid.values(), range(seeds)):
        row: Row = OFF | dict(zip([*grid, "seed"], values, strict=True))
        added = effect(row)
        for name in METRICS:
            row[name] += added.get(name, 0.0) + luck[row["seed"]] + random.normal(0, noise)
        rows.append(row | {"run": f"run{len(rows)}", "status": "done"})
    return pd.DataFrame(rows)


@pytest.fixture
def evidence():
    def make(*arguments, **keywords) -> Evidence:
        return Evidence(make_runs(*arguments, **keywords))

    return make


def decide(name: str, evidence: Evidence) -> list[Judged]:
    """The judged comparisons of one claim, as if it were the only one."""
    return judge_claims({name: all_claims()[name].compare}, {name: evidence})[name]
