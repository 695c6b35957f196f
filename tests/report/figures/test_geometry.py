"""The figure of three classes in the last layer; test_probe_command.py has it as a user meets it."""

import pytest
import torch

from lsbench.report.figures import geometry
from lsbench.terms import UsageError


def test_the_pair_of_a_figure_differs_in_alpha_alone(record):
    records = [
        record(method, alpha, seed, **settings)
        for method in ("augment", "none")
        for seed in (1, 0)
        for alpha in (0.0, 0.1, 0.2)
        for settings in ({}, {"label_noise": 0.2})
    ]
    base, smoothed = geometry.pair(records, None)
    assert (base["method"], base["seed"], base["alpha"], smoothed["alpha"]) == ("none", 0, 0.0, 0.2)
    assert smoothed["seed"] == 0 and smoothed["method"] == "none"
    assert base["label_noise"] == smoothed["label_noise"]
    assert geometry.pair(records, 0.1)[1]["alpha"] == 0.1
    assert geometry.pair(records, 0.15) is None
    assert geometry.pair([item for item in records if item["alpha"]], None) is None
    lost = [item | {"status": "failed"} if item["alpha"] == 0.2 else item for item in records]
    assert geometry.pair(lost, None)[1]["alpha"] == 0.1


def test_classes_go_by_name_before_number():
    assert geometry.numbers("", ("a", "b", "c", "d")) == [0, 1, 2]
    assert geometry.numbers("d, 1,a", ("a", "b", "c", "d")) == [3, 1, 0]
    assert geometry.numbers("2,1,0", ("2", "1", "0")) == [0, 1, 2]
    with pytest.raises(UsageError, match="three different"):
        geometry.numbers("", ("a", "b"))


def test_the_panels_show_every_point_and_each_class_by_its_own_marker():
    random = torch.Generator().manual_seed(0)
    labels = torch.tensor([4] * 5 + [2] * 6 + [7] * 7)
    points = {split: torch.randn(18, 2, generator=random, dtype=torch.float64) for split in ("train", "test")}
    projection = geometry.Projection(
        {4: "four", 2: "two", 7: "seven"}, points, {"train": labels, "test": labels}
    )
    figure = geometry.draw({"α = 0": projection, "α = 0.1": projection}, "tiny")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        *("α = 0, train", "α = 0, test", "α = 0.1, train", "α = 0.1, test")
    ]
    for axes, split in zip(figure.axes, ["train", "test"] * 2, strict=True):
        shown = {part.get_label(): part.get_offsets() for part in axes.collections}
        for name, number in (("four", 4), ("two", 2), ("seven", 7)):
            assert shown[name].tolist() == points[split][labels == number].tolist()
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        inside = [(left < x < right) and (low < y < high) for x, y in points[split].tolist()]
        assert all(inside)
    assert len(set(geometry.LOOKS)) == len({marker for _, marker in geometry.LOOKS}) == 3
