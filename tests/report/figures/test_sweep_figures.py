from dataclasses import replace

import pandas as pd
import pytest

from lsbench.report.figures import spec as specs
from lsbench.report.figures.spec import PLAIN, SCALED, TRAINED, as_plain
from lsbench.report.figures.sweep_figures import MAX_METHODS, figure_specs

from ...records import make_results


@pytest.fixture
def shown(tmp_path, traces):
    """The figures of ``records``, by name, with all that the store would have of them."""

    def of(records):
        traces(tmp_path, records)
        found = figure_specs(make_results(records, tmp_path / "mine"))
        return {spec.name: spec for spec in found}

    return of


def test_a_sweep_has_four_figures_with_a_panel_for_each_method(shown, sweep):
    found = shown(sweep(seeds=range(2)))
    assert list(found) == ["alpha", "reliability", "confidence", "training"]
    assert [line.label for line in found["alpha"].legend[:3]] == ["none", "augment", "dropout"]
    assert found["alpha"].legend[3:] == (TRAINED, SCALED)
    for name in ("reliability", "confidence"):
        assert [panel.title.partition(":")[0] for panel in found[name].panels] == [
            "none",
            "augment",
            "dropout",
        ]
    assert [panel.title for panel in found["training"].panels] == [
        "Train loss", "Select NLL, nats", "Select accuracy",
    ]  # fmt: skip


def test_reliability_shows_alpha_0_and_the_alpha_of_the_least_select_nll(shown, sweep):
    records = sweep(alphas=[0.0, 0.05, 0.1], methods=["none"], seeds=range(2))
    for record in records:
        record["select_nll_ts"] = {0.0: 0.3, 0.05: 0.2, 0.1: 0.1}[record["alpha"]]
        record["select_nll"] = -record["select_nll_ts"]
        record["test_nll"] = {0.0: 0.1, 0.05: 0.0, 0.1: 0.9}[record["alpha"]]
    [panel] = shown(records)["reliability"].panels
    assert panel.title == "none: α = 0 and 0.1"
    cells = {record["alpha"]: record["cell"] for record in records}
    assert [set(table["cell"]) for _, table in panel.lines] == [{cells[0.0]}, {cells[0.1]}]


def test_where_0_is_chosen_the_best_smoothing_is_drawn_beside_it(shown, sweep):
    records = sweep(alphas=[0.0, 0.05, 0.1], methods=["none"], seeds=range(2))
    for record in records:
        record["select_nll_ts"] = {0.0: 0.1, 0.05: 0.2, 0.1: 0.3}[record["alpha"]]
    found = shown(records)
    cells = {record["alpha"]: record["cell"] for record in records}
    for name in ("reliability", "confidence", "training"):
        lines = found[name].panels[0].lines
        assert [set(table["cell"]) for _, table in lines] == [{cells[0.0]}, {cells[0.05]}]
        assert "On select, α = 0 is chosen for none" in found[name].caption
        assert not any("chosen" in mark.label for mark in found[name].legend)


def test_runs_without_smoothing_alone_are_drawn_as_such(shown, sweep):
    drawn = shown(sweep(alphas=[0.0], methods=["none"], seeds=range(2)))["training"]
    assert drawn.panels[0].lines[0][0] == as_plain(drawn.legend[0]) and drawn.legend[1:] == (PLAIN,)


def test_one_alpha_has_no_figure_over_alpha(shown, sweep):
    assert list(shown(sweep(alphas=[0.1], seeds=[0]))) == ["reliability", "confidence", "training"]


def test_without_traces_only_what_the_records_hold_is_drawn(tmp_path, sweep):
    records = sweep(seeds=[0])
    found = list(figure_specs(make_results(records, tmp_path / "mine")))
    assert [spec.name for spec in found] == ["alpha"]


def test_several_data_sets_have_figures_of_their_own(shown, sweep):
    both = sweep(alphas=[0.0, 0.1], seeds=[0]) + sweep(alphas=[0.0, 0.1], seeds=[0], data="cifar10")
    found = shown(both)
    assert len(found) == 8 and {spec.part for spec in found.values()} == {"mnist5k, mlp", "cifar10, mlp"}
    assert "training-cifar10-mlp" in found


def test_of_many_methods_the_first_and_those_with_the_least_select_nll_are_shown(shown, record):
    strengths = [0.02 * k for k in range(1, 20)]
    records = [record(alpha=alpha) for alpha in (0.0, 0.1)]
    records += [
        record("dropout", alpha, dropout=p, select_nll=1 - p) for p in strengths for alpha in (0.0, 0.1)
    ]
    found = shown(records)
    for name, most in MAX_METHODS.items():
        lines = [line.label for line in found[name].legend] if name in ("alpha", "training") else [
            panel.title for panel in found[name].panels
        ]  # fmt: skip
        methods = [line for line in lines if line.startswith(("none", "dropout"))]
        assert len(methods) == most
        assert methods[0].startswith("none") and f"dropout={strengths[-1]:g}" in methods[-1]
        assert not any(f"dropout={strengths[0]:g}" in line.split(":")[0].split(", ") for line in methods)
        assert f"Of 20 methods these are the first and the {most - 1} others" in found[name].caption


def test_alternative_texts_state_the_numbers(shown, sweep):
    records = sweep(alphas=[0.0, 0.1], methods=["none"], seeds=range(2))
    found = shown(records)
    mean = pd.DataFrame(records).groupby("alpha")[["test_accuracy", "test_ece_ts"]].mean()
    assert (
        f"none, α = 0 to 0.1: accuracy {100 * mean['test_accuracy'][0.0]:.2f} % to "
        f"{100 * mean['test_accuracy'][0.1]:.2f} %" in found["alpha"].alt
    )
    assert f"to {100 * mean['test_ece_ts'][0.1]:.2f} %, NLL" in found["alpha"].alt
    counted = found["reliability"].panels[0].lines[0][1]
    accuracy = counted["correct"].sum() / 800
    gap = f"{100 * (counted['confidence'].sum() / 800 - accuracy):+.2f}".replace("-", "−")
    assert f"accuracy {100 * accuracy:.2f} %, gap {gap}; after scaling" in found["reliability"].alt
    last = counted["n"].iloc[-1] / 800
    assert f"none, α = 0: as trained {100 * last:.1f} %; after scaling" in found["confidence"].alt
    assert "none, α = 0: from epoch 1 to 5 train loss 1.0000 to 0.2000" in found["training"].alt
    assert "at epoch 5" in found["training"].alt


def test_the_hash_changes_with_what_is_drawn_and_with_nothing_else(shown, sweep, monkeypatch):
    spec = shown(sweep(alphas=[0.0, 0.1], methods=["none"], seeds=[0]))["reliability"]
    panel = spec.panels[0]
    line, table = panel.lines[0]
    other = replace(panel, lines=((line, table.assign(correct=table["correct"] + 1)), *panel.lines[1:]))
    assert spec.source() == replace(spec, caption="new", alt="new").source()
    different = [replace(spec, panels=(other,)), replace(spec, title="x"), replace(spec, legend=(line,))]
    different.append(replace(spec, panels=(specs.Confidence(panel.title, panel.lines), *spec.panels[1:])))
    assert len({spec.source(), *(changed.source() for changed in different)}) == 5
    before = spec.source()
    monkeypatch.setattr(specs, "STYLE_VERSION", specs.STYLE_VERSION + 1)
    assert spec.source() != before
