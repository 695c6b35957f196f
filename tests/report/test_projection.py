"""Which runs and classes a figure of the last layer has; test_probe_command.py has it as a user meets it."""

from types import SimpleNamespace

import pytest
import torch

from lsbench.errors import UsageError
from lsbench.report import projection


def test_the_pair_of_a_figure_differs_in_alpha_alone(record):
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


def test_classes_go_by_name_before_number():
    assert projection.numbers("", ("a", "b", "c", "d")) == [0, 1, 2]
    assert projection.numbers("d, 1,a", ("a", "b", "c", "d")) == [3, 1, 0]
    assert projection.numbers("2,1,0", ("2", "1", "0")) == [0, 1, 2]
    with pytest.raises(UsageError, match="three different"):
        projection.numbers("", ("a", "b"))


@pytest.mark.parametrize("given", ["0", "-0.1", "1", "nan", "inf", "much"])
def test_an_alpha_that_is_no_smoothing_is_refused(given):
    with pytest.raises(UsageError, match=rf"^alpha={given}: allowed is a number above 0 and below 1$"):
        projection.smoothing(given)
    assert (projection.smoothing("0.05"), projection.smoothing("")) == (0.05, None)


def test_data_of_two_classes_have_no_figure_unless_one_is_asked_for(record, monkeypatch):
    monkeypatch.setattr(projection, "load_trained_model", lambda *_: SimpleNamespace(classes=("a", "b")))
    records = [record(alpha=alpha) for alpha in (0.0, 0.1)]
    cpu = torch.device("cpu")
    assert projection.points("results", records, {"classes": "", "alpha": ""}, cpu).empty
    with pytest.raises(UsageError, match="three different classes"):
        projection.points("results", records, {"classes": "a,b", "alpha": ""}, cpu)
