"""Figures and pages of synthetic sweeps."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lsbench.report.figures.draw import Drawing, draw
from lsbench.report.figures.spec import SCALED, TRAINED, FigureSpec, OverEpochs, line_style
from lsbench.report.publish import publish
from lsbench.store import sweeps

from ..records import make_record, make_sweep, store_traces

EVIL = "<script>throw 1</script><img src=http://127.0.0.1:1/x>"


def make_spec(count: int = 2, title: str = "none: α < 1 & more") -> FigureSpec:
    """A figure of ``count`` panels, each with two lines over five epochs."""
    epochs = pd.DataFrame({"epoch": range(1, 6), "select_nll": [5.0, 1.0, 0.5, 0.4, 0.3]})
    series = ((line_style(0, "none"), epochs), (line_style(1, "x"), epochs))
    panel = OverEpochs(title, series, "select_nll", percent=False)
    legend = (TRAINED, SCALED)
    return FigureSpec("training", "training", "mnist5k, mlp", "Title", (panel,) * count, legend, "", "")


@pytest.fixture
def spec() -> Callable[..., FigureSpec]:
    return make_spec


@pytest.fixture(scope="session")
def drawing() -> Drawing:
    """`make_spec` as drawn."""
    return draw(make_spec(), "the source")


@pytest.fixture(scope="session")
def claims_folder(tmp_path_factory):
    """A page of four claims and ten seeds with hostile texts, a run that failed and one missing."""
    results_dir = tmp_path_factory.mktemp("results")
    records = make_sweep(methods=["none"], seeds=range(10))
    for record in records:
        record["test_confidence_wrong"] = 0.7 - record["alpha"] + 0.01 * (record["seed"] % 3)
    names = [record["run"] for record in records]
    records.append(make_record("none", 0.1, 11, status="failed", error=EVIL))
    store_traces(results_dir, records)
    for record in records:
        path = results_dir / "runs" / record["run"] / "result.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    all_names = (*names, records[-1]["run"], "mnist5k-mlp-none-a0-s12-lost")
    asked = dict.fromkeys(("alpha_default", "cost", "generalisation", "overconfidence"), all_names)
    sweeps.write_sweep(results_dir, sweeps.Sweep("claims-some", f"lsbench claims '{EVIL}'", all_names, asked))
    steps = pd.DataFrame(
        {"plain": 1.0, "smoothed": 1 + 0.01 * np.arange(7), "torch": 1.01, "dropout": 2.0, "augment": 3.0}
    )
    steps.to_csv(results_dir / "claims-some" / "measured-cost.csv", index=False)
    assert publish(results_dir, "claims-some") == 1
    return results_dir / "claims-some"
