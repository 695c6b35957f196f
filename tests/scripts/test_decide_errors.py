"""Runs of decide_errors.py and coverage.py with little work; their statistics against the package's."""

import sys

import numpy as np
import pandas as pd
import pytest

from lsbench.analysis.crossed import crossed_variance
from lsbench.analysis.sequential import LOOKS, design
from lsbench.analysis.stats import Paired


def test_many_experiments_at_once_have_the_variance_of_each(load):
    script = load("decide_errors")
    d = np.random.default_rng(0).normal(size=(20, 6, 30)) + np.random.default_rng(1).normal(size=(20, 1, 30))
    means, errors = script._crossed(d)
    expected = [crossed_variance(list(one), [np.arange(30)] * 6).se for one in d]
    assert errors == pytest.approx(expected) and means == pytest.approx(d.mean((1, 2)))


def test_many_questions_are_settled_as_one_is(load):
    script = load("decide_errors")
    plan, random = design(LOOKS, 2), np.random.default_rng(2)
    means, errors = random.normal(0, 0.5, (200, len(LOOKS))), random.uniform(0.01, 0.2, (200, len(LOOKS)))
    words, looks = script.settle(means, errors, plan, 0.3)
    for row in range(200):
        pairs = [
            Paired(m, np.nan, np.nan, np.nan, n, 1.0, se, n - 1, np.nan)
            for m, se, n in zip(means[row], errors[row], LOOKS, strict=True)
        ]
        states = [plan.word(look, pair, 0.3, 1) for look, pair in enumerate(pairs)]
        first = next((look for look, word in enumerate(states) if word), len(LOOKS) - 1)
        assert looks[row] == first
        assert words[row] == {"": 0, "equivalent": -1}.get(states[first], 1)


def test_the_tables_of_decide_are_written(load, monkeypatch, tmp_path, capsys):
    script = load("decide_errors")
    arguments = ["--quick", "--families", "40", "--out", str(tmp_path), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["scripts/decide_errors.py", *arguments])
    monkeypatch.setattr(script, "ROWS", 10)
    script.main()
    table = pd.read_csv(tmp_path / "decide.csv")
    assert len(table[table["part"] == "errors"]) == 2 * 4 * 3 and len(table[table["part"] == "power"]) == 12
    power = table[table["part"] == "power"].sort_values("effect")
    assert power.groupby("questions")["settled"].apply(lambda column: column.is_monotonic_increasing).all()
    assert "python scripts/decide_errors.py" in capsys.readouterr().out


def test_the_table_of_coverage_is_written(load, monkeypatch, tmp_path):
    script = load("coverage")
    monkeypatch.setattr(sys, "argv", ["scripts/coverage.py", "--quick", "--out", str(tmp_path)])
    monkeypatch.setattr(script, "KINDS", {"normal": script.KINDS["normal"]})
    script.main()
    table = pd.read_csv(tmp_path / "coverage.csv")
    assert len(table) == 2 * 2 * 5 and table["new images"].between(0.6, 1).all()
    wide = table[(table["design"] == "one test set") & (table["seed sd"] == 0.3) & (table["n"] == 20)]
    assert wide["seeds alone"].item() < 0.7 < wide["new images"].item()


def test_a_pool_is_trained_and_measured_inside_and_outside(load, monkeypatch):
    """On random images, of which nothing can be learnt: accuracies of about a tenth, and equal sizes."""
    script = load("coverage")
    for name, size in {"POOL": 400, "OUTSIDE": 60, "SAMPLE": 30}.items():
        monkeypatch.setattr(script, name, size)
    random = np.random.default_rng(0)
    images = random.integers(256, size=(600, 1, 4, 4), dtype=np.uint8)
    settings = ["epochs=1", "data.select=50", "data.calibrate=50", "data.test=100", "model.hidden=[4]"]
    measured = script.train_pool(images, random.integers(10, size=600), tuple("0123456789"), (0, 2), settings)
    metrics = len(script.METRICS)
    assert measured["test"].shape == (2, metrics, 100) and measured["common"].shape == (2, metrics, 30)
    assert measured["outside"].shape == (2, metrics) and measured["test_rows"].shape == (2, 100)
    assert np.abs(measured["outside"][:, 0]).max() < 0.3
