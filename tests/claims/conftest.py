"""Runs as a claim's grid would give them, with a planted truth."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest

from lsbench import runs
from lsbench.claims import all_claims, publish
from lsbench.claims._claim import Evidence
from lsbench.claims._findings import Finding, findings

from ..report.conftest import make_record, make_sweep, store_traces

EVIL = "<script>throw 1</script><img src=http://127.0.0.1:1/x>"

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
    """A row for each point of ``grid`` and seed: what ``effect`` adds to each metric, what the luck of the
    seed adds to all its runs, and normal noise of its own."""
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


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A page of four claims and ten seeds with hostile texts, a run that failed and one missing."""
    results_dir = tmp_path_factory.mktemp("results")
    records = make_sweep(methods=["none"], seeds=range(10))
    names = [record["run"] for record in records]
    records.append(make_record("none", 0.1, 11, status="failed", error=EVIL))
    store_traces(results_dir, records)
    for record in records:
        path = results_dir / "runs" / record["run"] / "result.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    all_names = (*names, records[-1]["run"], "mnist5k-mlp-none-a0-s12-lost")
    asked = dict.fromkeys(("alpha_default", "cost", "generalisation", "overconfidence"), all_names)
    runs.write_sweep(results_dir, runs.Sweep("claims-some", f"lsbench claims '{EVIL}'", all_names, asked))
    steps = pd.DataFrame({"plain": 1.0, "smoothed": 1 + 0.01 * np.arange(7), "dropout": 2.0, "augment": 3.0})
    steps.to_csv(results_dir / "claims-some" / "measured-cost.csv", index=False)
    assert publish(results_dir, "claims-some") == 1
    return results_dir / "claims-some"


def decide(name: str, evidence: Evidence) -> list[Finding]:
    """The findings of one claim, as if it were the only one."""
    return findings({name: all_claims()[name]}, {name: evidence})[name]
