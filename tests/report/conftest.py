"""Figures and pages of made-up sweeps."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lsbench.report.claims_publish import publish
from lsbench.store import sweeps

from ..records import make_record, make_sweep, store_traces

EVIL = "<script>throw 1</script><img src=http://127.0.0.1:1/x>"


def make_plate(count: int = 2, title: str = "none: α < 1 & more"):
    """A figure of ``count`` panels, each two lines over five epochs."""
    import pandas as pd

    from lsbench.report.figures.marks import SCALED, TRAINED, mark
    from lsbench.report.figures.spec import FigureSpec, Panel

    epochs = pd.DataFrame({"epoch": range(1, 6), "select_nll": [5.0, 1.0, 0.5, 0.4, 0.3]})
    options = {"metric": "select_nll", "percent": False}
    panel = Panel(title, "over_epochs", ((mark(0, "none"), epochs), (mark(1, "x"), epochs)), options)
    return FigureSpec(
        "training", "training", "mnist5k, mlp", "Title", (panel,) * count, (TRAINED, SCALED), "", ""
    )


@pytest.fixture
def plate() -> Callable[..., Any]:
    return make_plate


@pytest.fixture(scope="session")
def drawn() -> dict[str, bytes]:
    """The PNG and the SVG of `make_plate`."""
    from lsbench.report.figures.draw import draw

    return draw(make_plate(), "the source")


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
