"""The cost of a step: judged by its bound, timed in turns, with lsbench's loss and with torch's."""

import numpy as np
import pandas as pd
import pytest
import torch

from lsbench.analysis.evidence import Evidence
from lsbench.claims.cost import _kinds, measure
from lsbench.execution.plan import Job
from lsbench.training.stack import Stack

from .conftest import decide


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        (np.linspace(0.99, 1.04, 51), "supported"),
        (np.linspace(1.06, 1.5, 51), "refuted"),
        (np.linspace(0.5, 1.6, 51), "inconclusive"),
        ([1.0] * 5, "inconclusive"),
    ],
)
def test_cost_is_judged_by_its_bound(ratios, verdict, evidence):
    steps = pd.DataFrame({"smoothed": 0.002 * np.asarray(ratios)})
    steps = steps.assign(plain=0.002, torch=0.0021, dropout=0.003, augment=0.01)
    results = decide("cost", Evidence(evidence({"alpha": [0.0]}).runs, measured=steps))
    assert [item.word for item in results[:1]] == [verdict]
    assert results[0].effect == pytest.approx(np.median(ratios) - 1)
    assert [item.effect for item in results[1:]] == pytest.approx([0.05, 0.5, 4.0])
    assert np.isnan(results[0].p)
    assert results[0].words.startswith("a step with α = 0.1 by lsbench's loss over a plain one")
    assert "by torch's own cross entropy" in results[1].words


def test_cost_times_each_kind_in_turns_with_the_plain_loss_for_plain(splits, make_run, monkeypatch):
    monkeypatch.setattr("lsbench.claims.cost.ROUNDS", 6)
    runs = [
        make_run(seed=seed, **knobs)
        for seed in (1, 0)
        for knobs in ({}, {"alpha": 0.1}, {"dropout": 0.5}, {"alpha": 0.1, "dropout": 0.5}, {"augment": 1.0})
    ]
    steps = measure([Job(run, splits) for run in runs])
    assert sorted(steps.columns) == ["augment", "dropout", "plain", "smoothed", "torch"]
    assert steps.shape == (6, 5) and (steps > 0).all().all()


@pytest.mark.parametrize(("kind", "alpha"), [("plain", 0.0), ("torch", 0.1)])
def test_the_steps_of_cost_by_torchs_own_loss_make_the_same_loss_small(kind, alpha, splits, make_run):
    by_torch = _kinds([Job(make_run(alpha=alpha), splits)])[kind]
    ours = Stack([make_run(alpha=alpha)], splits, torch.device("cpu"))
    assert type(by_torch.loss) is not type(ours.loss)
    torch.testing.assert_close(list(by_torch.steps(0)), list(ours.steps(0)), rtol=1e-12, atol=0)
