"""The figure of three classes in the last layer, from geometry.csv."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lsbench.report.figures import geometry
from lsbench.report.figures.draw import draw
from lsbench.report.figures.panels import draw_panel

RUNS = {"run-a": 0.0, "run-b": 0.1}


def make_points(**facts) -> pd.DataFrame:
    """Seven points of each class in each split of two runs; those of the smoothed run scatter a tenth as
    far."""
    random = np.random.default_rng(0)
    rows = [
        {"data": "mnist5k", "model": "mlp", "method": "none", "run": run, "alpha": alpha, "seed": 3, **facts}
        | {"split": split, "class": name, "across": 5 * index + width * x, "up": width * y}
        for (run, alpha), width in zip(RUNS.items(), (1.0, 0.1), strict=True)
        for split in ("train", "test")
        for index, name in enumerate(("four", "two", "seven"))
        for x, y in random.normal(size=(7, 2))
    ]
    return pd.DataFrame(rows)


def test_a_panel_for_each_split_of_both_runs_shows_every_point_by_its_class():
    points = make_points()
    [spec] = geometry.figure_specs(points, several=False)
    titles = [panel.title for panel in spec.panels]
    assert titles == ["α = 0, train", "α = 0, test", "α = 0.1, train", "α = 0.1, test"]
    assert (spec.name, spec.part, spec.title) == ("geometry", "mnist5k, mlp", "Penultimate layer, seed 3")
    for panel in spec.panels:
        alpha, split = panel.title.removeprefix("α = ").split(", ")
        expected = points[(points["alpha"] == float(alpha)) & (points["split"] == split)]
        axes = Figure().add_subplot()
        draw_panel(panel, axes)
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert right - left == pytest.approx(high - low)
        for (style, _), line in zip(panel.lines, axes.lines, strict=True):
            rows = expected[expected["class"] == style.label.removeprefix("class ")]
            assert line.get_xydata().tolist() == rows[["across", "up"]].to_numpy().tolist() and len(rows) == 7
            assert line.get_marker() == style.marker and line.get_linestyle() == "None"
            assert all(left < x < right and low < y < high for x, y in line.get_xydata())


def test_the_legend_has_every_class_by_its_literal_name():
    names = {"four": r"$\frac$", "two": "_a,b", "seven": "$x"}
    points = make_points()
    [spec] = geometry.figure_specs(points.assign(**{"class": points["class"].map(names)}), several=False)
    svg = draw(spec, "s").svg.decode()
    assert re.findall(r">class (.*)</text>", svg) == list(names.values())


def test_both_splits_of_a_run_have_the_same_limits():
    [spec] = geometry.figure_specs(make_points(), several=False)
    first, second, third, _ = ((panel.x, panel.y, panel.half) for panel in spec.panels)
    assert first == second != third


def test_the_classes_differ_without_colour():
    [spec] = geometry.figure_specs(make_points(), several=False)
    assert [style.label for style in spec.legend] == ["class four", "class two", "class seven"]
    assert len({style.marker for style in spec.legend}) == 3


def test_the_alternative_text_has_the_scatter_of_the_points():
    points = make_points()
    [spec] = geometry.figure_specs(points, several=False)
    rows = points[(points["alpha"] == 0) & (points["split"] == "test")]
    groups = [group[["across", "up"]].to_numpy() for _, group in rows.groupby("class")]
    whole = np.concatenate(groups).mean(axis=0)
    within = sum(((group - group.mean(axis=0)) ** 2).sum() for group in groups)
    between = sum(len(group) * ((group.mean(axis=0) - whole) ** 2).sum() for group in groups)
    assert f"α = 0, test: {within / between:.3f}." in spec.alt


def test_each_data_set_has_a_figure():
    both = pd.concat([make_points(), make_points(model="small", method="dropout")])
    first, second = geometry.figure_specs(both, several=True)
    assert [first.name, second.name] == ["geometry-mnist5k-mlp", "geometry-mnist5k-small"]
    assert second.title == "Penultimate layer, dropout, seed 3"
    assert not list(geometry.figure_specs(pd.DataFrame(), several=False))
