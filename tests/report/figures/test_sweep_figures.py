from dataclasses import replace

import pandas as pd
import pytest

from lsbench.report.figures import spec as specs
from lsbench.report.figures.spec import PLAIN, SCALED, TRAINED, as_plain
from lsbench.report.figures.sweep_figures import MAX_METHODS, figure_specs

from ...records import make_results


@pytest.fixture
def make_figures(tmp_path, traces):
    """Make the figures of records by name, with the traces that the store would have."""

    def of(records):
        traces(tmp_path, records)
        results = make_results(records, tmp_path / "mine")
        return {spec.name: spec for spec in figure_specs(results)}

    return of


def test_a_sweep_has_five_figures_with_a_panel_for_each_method(make_figures, sweep):
    figures = make_figures(sweep(seeds=range(2)))
    assert list(figures) == ["effects", "alpha", "reliability", "confidence", "training"]
    assert [line.label for line in figures["alpha"].legend[:3]] == ["none", "augment", "dropout"]
    assert figures["alpha"].legend[3:] == (TRAINED, SCALED)
    for name in ("reliability", "confidence"):
        assert [panel.title.partition(":")[0] for panel in figures[name].panels] == [
            "none",
            "augment",
            "dropout",
        ]
    assert [panel.title for panel in figures["training"].panels] == [
        "Train loss", "Select NLL, nats", "Select accuracy",
    ]  # fmt: skip


def test_reliability_shows_alpha_0_and_the_alpha_of_the_least_select_nll(make_figures, sweep):
    records = sweep(alphas=[0.0, 0.05, 0.1], methods=["none"], seeds=range(2))
    for record in records:
        record["select_nll_ts"] = {0.0: 0.3, 0.05: 0.2, 0.1: 0.1}[record["alpha"]]
        record["select_nll"] = -record["select_nll_ts"]
        record["test_nll"] = {0.0: 0.1, 0.05: 0.0, 0.1: 0.9}[record["alpha"]]
    [panel] = make_figures(records)["reliability"].panels
    assert panel.title == "none: α = 0 and 0.1"
    cells = {record["alpha"]: record["cell"] for record in records}
    assert [set(table["cell"]) for _, table in panel.lines] == [{cells[0.0]}, {cells[0.1]}]


def test_if_0_is_chosen_the_best_alpha_above_it_is_drawn_too(make_figures, sweep):
    records = sweep(alphas=[0.0, 0.05, 0.1], methods=["none"], seeds=range(2))
    for record in records:
        record["select_nll_ts"] = {0.0: 0.1, 0.05: 0.2, 0.1: 0.3}[record["alpha"]]
    figures = make_figures(records)
    cells = {record["alpha"]: record["cell"] for record in records}
    for name in ("reliability", "confidence", "training"):
        lines = figures[name].panels[0].lines
        assert [set(table["cell"]) for _, table in lines] == [{cells[0.0]}, {cells[0.05]}]
        assert "On select, α = 0 is chosen for none" in figures[name].caption
        assert not any("chosen" in style.label for style in figures[name].legend)


def test_a_sweep_without_smoothing_is_drawn_as_plain_training(make_figures, sweep):
    drawn = make_figures(sweep(alphas=[0.0], methods=["none"], seeds=range(2)))["training"]
    assert drawn.panels[0].lines[0][0] == as_plain(drawn.legend[0]) and drawn.legend[1:] == (PLAIN,)


def test_one_alpha_has_no_figure_over_alpha(make_figures, sweep):
    assert list(make_figures(sweep(alphas=[0.1], seeds=[0]))) == ["reliability", "confidence", "training"]


def test_without_traces_the_effects_and_the_figure_over_alpha_are_drawn(tmp_path, sweep):
    records = sweep(seeds=[0])
    figures = list(figure_specs(make_results(records, tmp_path / "mine")))
    assert [spec.name for spec in figures] == ["effects", "alpha"]


def test_each_data_set_has_its_figures(make_figures, sweep):
    both = sweep(alphas=[0.0, 0.1], seeds=[0]) + sweep(alphas=[0.0, 0.1], seeds=[0], data="cifar10")
    figures = make_figures(both)
    assert len(figures) == 10 and {spec.part for spec in figures.values()} == {"mnist5k, mlp", "cifar10, mlp"}
    assert "training-cifar10-mlp" in figures


def test_of_many_methods_the_first_and_those_with_the_least_select_nll_are_drawn(make_figures, record):
    strengths = [0.02 * k for k in range(1, 20)]
    records = [record(alpha=alpha) for alpha in (0.0, 0.1)]
    records += [
        record("dropout", alpha, dropout=p, select_nll=1 - p) for p in strengths for alpha in (0.0, 0.1)
    ]
    figures = make_figures(records)
    for name, most in MAX_METHODS.items():
        lines = [line.label for line in figures[name].legend] if name in ("alpha", "training") else [
            panel.title for panel in figures[name].panels
        ]  # fmt: skip
        methods = [line for line in lines if line.startswith(("none", "dropout"))]
        assert len(methods) == most
        assert methods[0].startswith("none") and f"dropout={strengths[-1]:g}" in methods[-1]
        assert not any(f"dropout={strengths[0]:g}" in line.split(":")[0].split(", ") for line in methods)
        assert f"Of 20 methods these are the first and the {most - 1} others" in figures[name].caption


def test_alternative_texts_state_the_numbers(make_figures, sweep):
    records = sweep(alphas=[0.0, 0.1], methods=["none"], seeds=range(2))
    figures = make_figures(records)
    mean = pd.DataFrame(records).groupby("alpha")[["test_accuracy", "test_ece_ts"]].mean()
    assert (
        f"none, α = 0 to 0.1: accuracy {100 * mean['test_accuracy'][0.0]:.2f} % to "
        f"{100 * mean['test_accuracy'][0.1]:.2f} %" in figures["alpha"].alt
    )
    assert f"to {100 * mean['test_ece_ts'][0.1]:.2f} %, NLL" in figures["alpha"].alt
    bins = figures["reliability"].panels[0].lines[0][1]
    accuracy = bins["correct"].sum() / 800
    gap = f"{100 * (bins['confidence'].sum() / 800 - accuracy):+.2f}".replace("-", "−")
    assert f"accuracy {100 * accuracy:.2f} %, gap {gap}; after scaling" in figures["reliability"].alt
    last = bins["n"].iloc[-1] / 800
    assert f"none, α = 0: as trained {100 * last:.1f} %; after scaling" in figures["confidence"].alt
    assert "none, α = 0: from epoch 1 to 5 train loss 1.0000 to 0.2000" in figures["training"].alt
    assert "at epoch 5" in figures["training"].alt


def test_the_hash_changes_with_what_is_drawn_and_with_nothing_else(make_figures, sweep, monkeypatch):
    spec = make_figures(sweep(alphas=[0.0, 0.1], methods=["none"], seeds=[0]))["reliability"]
    panel = spec.panels[0]
    line, table = panel.lines[0]
    other = replace(panel, lines=((line, table.assign(correct=table["correct"] + 1)), *panel.lines[1:]))
    assert spec.content_hash() == replace(spec, caption="new", alt="new").content_hash()
    different = [replace(spec, panels=(other,)), replace(spec, title="x"), replace(spec, legend=(line,))]
    different.append(replace(spec, panels=(specs.Confidence(panel.title, panel.lines), *spec.panels[1:])))
    assert len({spec.content_hash(), *(changed.content_hash() for changed in different)}) == 5
    before = spec.content_hash()
    monkeypatch.setattr(specs, "STYLE_VERSION", specs.STYLE_VERSION + 1)
    assert spec.content_hash() != before
