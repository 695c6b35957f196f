"""Runs and classes of the figure of the last layer; cli/test_probe.py covers the command."""

from types import SimpleNamespace

import pytest
import torch

from lsbench.errors import UsageError
from lsbench.report import projection


def test_the_two_runs_of_a_figure_differ_in_alpha_alone(record):
    records = [
        record(method, alpha, seed, **settings)
        for method in ("augment", "none")
        for seed in (1, 0)
        for alpha in (0.0, 0.1, 0.2)
        for settings in ({}, {"label_noise": 0.2})
    ]
    base, smoothed = projection.pair(records, None)
    assert (base["method"], base["seed"], base["alpha"], smoothed["alpha"]) == ("none", 0, 0.0, 0.2)
    assert smoothed["seed"] == 0 and smoothed["method"] == "none"
    assert base["label_noise"] == smoothed["label_noise"]
    assert projection.pair(records, 0.1)[1]["alpha"] == 0.1
    assert projection.pair(records, 0.15) is None and projection.pair(records, 0.0) is None
    assert projection.pair([item for item in records if item["alpha"]], None) is None
    lost = [item | {"status": "failed"} if item["alpha"] == 0.2 else item for item in records]
    assert projection.pair(lost, None)[1]["alpha"] == 0.1


def test_a_class_name_takes_precedence_over_a_number():
    assert projection.class_indices((), ("a", "b", "c", "d")) == [0, 1, 2]
    assert projection.class_indices(("d", "1", "a"), ("a", "b", "c", "d")) == [3, 1, 0]
    assert projection.class_indices(("2", "1", "0"), ("2", "1", "0")) == [0, 1, 2]
    with pytest.raises(UsageError, match="three different"):
        projection.class_indices((), ("a", "b"))


def test_data_of_two_classes_have_no_figure_unless_classes_are_named(record, monkeypatch):
    monkeypatch.setattr(projection, "load_trained_model", lambda *_: SimpleNamespace(classes=("a", "b")))
    records = [record(alpha=alpha) for alpha in (0.0, 0.1)]
    cpu = torch.device("cpu")
    assert projection.points("results", records, cpu).empty
    with pytest.raises(UsageError, match="three different classes"):
        projection.points("results", records, cpu, classes=["a", "b"])
