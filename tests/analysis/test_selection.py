"""The recommended α and strength: chosen on the select split and never on test."""

import math
import random

import numpy as np
import pandas as pd
import pytest
import torch

from lsbench.analysis.selection import objective
from lsbench.config import DataConfig
from lsbench.report import json_report
from lsbench.report.wording import choice_table, choosing, interpretation
from lsbench.store import runs
from lsbench.terms import Splits
from lsbench.training import evaluate, loop, stack

from ..records import make_results


def only_part(records):
    [part] = make_results(records).parts
    return part


def items(part):
    """The text of each item of the interpretation, without the verdicts below it."""
    _, bullets = interpretation(part)
    return [f"{head.text}{text}" for head, text in (item.text for item in bullets.items)]


def chosen(records):
    return only_part(records).choices


def strengths(sweep, record, best=(0.3, 0.1)):
    """Plain runs, and dropout at three strengths and two α, of which ``best`` has the least select NLL."""
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(4))
    for dropout in (0.1, 0.3, 0.5):
        for alpha in (0.0, 0.1):
            for seed in range(4):
                nll = 0.1 + 0.01 * seed if (dropout, alpha) == best else 0.2 + 0.01 * seed
                records.append(record("dropout", alpha, seed, dropout=dropout, select_nll=nll))
    return records


@pytest.mark.parametrize("best", [(0.1, 0.0), (0.3, 0.1), (0.5, 0.1)])
def test_strength_is_chosen_with_alpha(best, sweep, record):
    plain, dropped = chosen(strengths(sweep, record, best))
    assert (plain.label, plain.strength, plain.options) == ("none", "", 2)
    assert (dropped.label, dropped.strength, dropped.row["alpha"]) == (
        "dropout",
        f"dropout={best[0]}",
        best[1],
    )
    assert (dropped.options, dropped.agree, dropped.seeds) == (6, 4, 4)


def test_seeds_that_would_choose_otherwise_are_counted(sweep, record):
    records = strengths(sweep, record)
    for r in records:
        if r["method"] == "dropout" and r["dropout"] == 0.5 and r["seed"] == 2 and r["alpha"] == 0.0:
            r["select_nll_ts"] = 0.01
    dropped = chosen(records)[1]
    assert (dropped.row["dropout"], dropped.agree, dropped.seeds) == (0.3, 3, 4)


def test_conditions_are_not_chosen_among(sweep):
    records = sweep(methods=["none"], seeds=range(3)) + sweep(
        methods=["none"], seeds=range(3), label_noise=0.2
    )
    assert [c.label for c in chosen(records)] == ["none, label_noise=0", "none, label_noise=0.2"]


def test_a_single_cell_leaves_no_choice(sweep):
    assert chosen(sweep(methods=["none", "dropout"], alphas=[0.1])) == []


def test_the_table_has_a_column_for_strengths_where_some_were_run(sweep, record):
    part = only_part(strengths(sweep, record))
    header, rows = choice_table(part)
    assert header[:6] == ["method", "strength", "α", "n", "select NLL scaled", "seeds that agree"]
    assert rows[1][:3] == ["dropout", "dropout=0.3", "0.1 (the largest tried)"]
    part = only_part(sweep())
    header, rows = choice_table(part)
    assert header[:2] == ["method", "α"] and {len(row) for row in rows} == {len(header)}
    assert len(items(part)) == 3


def test_the_choice_is_by_nll_after_scaling_and_says_so(sweep):
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(3))
    for r in records:
        r |= {"select_nll": 0.2 + r["alpha"], "select_nll_ts": 0.3 - r["alpha"]}
    part = only_part(records)
    [choice] = part.choices
    assert (choice.row["alpha"], choice.agree, choice.seeds) == (0.1, 3, 3)
    assert "select NLL scaled" in choice_table(part)[0] and "after temperature scaling" in choosing(part)
    [described] = choices_as_json(records)
    assert described["chosen_by"] == "select_nll_ts"
    assert described["select_nll"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"status": "done", "select_nll": 0.5, "select_nll_ts": 0.25}, 0.25),
        ({"status": "diverged", "select_nll": None, "select_nll_ts": None}, math.inf),
    ],
)
def test_a_searching_sweeper_minimises_the_same_number(values, expected):
    assert objective(values) == expected


def choices_as_json(records):
    return json_report.describe(make_results(records))["tables"][0]["choices"]


def test_what_survived_where_others_diverged_is_not_chosen(sweep, record):
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(4))
    records += [record(alpha=0.2, seed=0, select_nll=0.001)]
    records += [record(alpha=0.2, seed=seed, status="diverged") for seed in (1, 2, 3)]
    part = only_part(records)
    [choice] = part.choices
    assert choice.row["alpha"] < 0.2 and choice.seeds == 4
    assert choosing(part).endswith("because fewer runs finished than in other cells: none, α = 0.2.")
    header, rows = choice_table(part)
    assert dict(zip(header, rows[0], strict=True))["n"] == "4" and "failed" not in header


def test_the_choice_counts_runs_that_failed_and_gives_the_floor(sweep, record):
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(3))
    records += [record(alpha=alpha, seed=3, status="failed") for alpha in (0.0, 0.1)]
    for r in records[:6]:
        r["test_ece_floor_ts"] = 0.0045
    part = only_part(records)
    header, rows = choice_table(part)
    shown = dict(zip(header, rows[0], strict=True))
    assert (shown["n"], shown["failed"], shown["floor % scaled"]) == ("3", "1", "0.45")


def test_smoothing_is_named_alone_where_the_baseline_has_the_rest(sweep):
    records = sweep(methods=["none", "augment"], alphas=[0.0, 0.1], seeds=range(2), weight_decay=5e-4)
    for r in records:
        r["select_nll_ts"] = 0.3 - r["alpha"]
    part = only_part(records)
    plain, augmented = items(part)
    assert "combined effect" not in plain
    assert "combined effect of augment and smoothing" in augmented


def test_any_other_test_results_leave_the_choices_as_they_are(sweep, record):
    records = strengths(sweep, record)
    before = [(c.label, c.strength, c.row["cell"], c.agree) for c in chosen(records)]
    names = [name for name in records[0] if name.startswith("test_")]
    shuffled = random.Random(0).sample(records, len(records))
    swapped = [r | {n: donor[n] for n in names} for r, donor in zip(records, shuffled, strict=True)]
    assert [(c.label, c.strength, c.row["cell"], c.agree) for c in chosen(swapped)] == before


def test_where_no_smoothing_is_chosen_the_best_with_it_is_read_too(sweep, record):
    records = strengths(sweep, record, best=(0.3, 0.0))
    part = only_part(records)
    texts = items(part)
    assert texts[-2].startswith("dropout, dropout=0.3, α = 0. As")
    assert texts[-1].startswith(
        "dropout, dropout=0.1, α = 0.1, the best with smoothing by select NLL scaled."
    )


SETTINGS = [
    (dropout, alpha, seed) for dropout in (0.0, 0.2, 0.5) for alpha in (0.0, 0.1, 0.3) for seed in (0, 1)
]


def trained(make_run, results_dir, *, permuted):
    """A sweep on noisy images of 4 classes with a test set of its own, whose labels may be permuted."""
    draws = np.random.default_rng(0)
    labels = np.arange(700) % 4
    images = draws.normal(100, 60, (700, 1, 6, 6)) + 12 * labels[:, None, None, None]
    images, test = np.clip(images, 0, 255).astype(np.uint8), labels[500:]
    test = draws.permutation(test) if permuted else test
    splits = Splits(images[:500], labels[:500], images[500:], test, ("a", "b", "c", "d"))
    data = DataConfig("noisy", "noisy.load", select=100, calibrate=150, shift=1, flip=False)
    runs_of_grid = [
        make_run(data=data, dropout=d, alpha=a, seed=s, batch_size=64, epochs=5) for d, a, s in SETTINGS
    ]
    stacked = loop.train(stack.Stack(runs_of_grid, splits, torch.device("cpu")))
    stored = [
        runs.write(results_dir, run, splits.sha256, outcome, "cpu")
        for run, outcome in zip(runs_of_grid, evaluate.evaluate(stacked), strict=True)
    ]
    return only_part(stored)


def test_permuted_test_labels_change_no_choice_and_no_temperature(make_run, tmp_path):
    parts = [trained(make_run, tmp_path, permuted=permuted) for permuted in (False, True)]
    choice, again = ([(c.label, c.strength, c.row["alpha"], c.agree) for c in part.choices] for part in parts)
    assert choice == again and [label for label, *_ in choice] == ["none", "dropout"]
    same = ["alpha", "dropout", "seed", "temperature", "select_nll", "select_accuracy", "train_accuracy"]
    same += ["test_ece_floor", "test_ece_floor_ts"]  # which need no labels
    honest, permuted = (part.runs for part in parts)
    pd.testing.assert_frame_equal(honest[same], permuted[same], check_exact=True)
    # had test been asked, the choice would have been another one
    assert parts[0].cells["test_nll_mean"].argmin() != parts[1].cells["test_nll_mean"].argmin()
    assert (honest["test_accuracy"] > permuted["test_accuracy"] + 0.1).all()


def lopsided(sweep):
    """Two α with four runs each. Seed 0, hard for both, is missing at 0.1, and seed 1 at 0.2. Over the seeds
    that both have 0.2 is better; over each α's own seeds 0.1 is."""
    records = sweep(methods=["none"], alphas=[0.1, 0.2], seeds=range(5))
    for r in records:
        r["select_nll_ts"] = 0.3 - 0.1 * r["alpha"] + (r["seed"] == 0)
    return [r for r in records if (r["alpha"], r["seed"]) not in {(0.1, 0), (0.2, 1)}]


def test_cells_are_compared_over_the_seeds_that_both_have(sweep):
    records = lopsided(sweep)
    part = only_part(records)
    table = part.cells
    assert table["n"].tolist() == [4, 4]
    assert table["select_nll_ts_mean"][0] < table["select_nll_ts_mean"][1]
    [choice] = part.choices
    assert (choice.row["alpha"], choice.agree, choice.seeds) == (0.2, 3, 3)
    assert table["choice"].tolist() == ["", "chosen"]
    assert "over the seeds that all cells of the method share" in choosing(part)


def test_without_a_common_seed_nothing_is_chosen_and_that_is_said(sweep):
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(3))
    records += sweep(methods=["none"], alphas=[0.2], seeds=range(3, 6))
    part = only_part(records)
    assert part.choices == [] and set(part.cells["choice"]) == {""}
    reason = "No choice, because the cells have no seed in common: none."
    assert reason in choosing(part)
    [text] = interpretation(part)
    assert text.text.startswith("No α could be chosen") and not any(v.chosen for v in part.verdicts)


@pytest.mark.parametrize(("best", "shown"), [(0.0, "0"), (0.1, "0.1"), (0.2, "0.2 (the largest tried)")])
def test_the_table_says_where_the_choice_is_at_the_edge_of_the_grid(best, shown, sweep):
    records = sweep(methods=["none"], alphas=[0.0, 0.1, 0.2], seeds=range(3))
    for r in records:
        r["select_nll_ts"] = 0.2 + abs(r["alpha"] - best)
    part = only_part(records)
    header, [row] = choice_table(part)
    assert row[header.index("α")] == shown
    [described] = choices_as_json(records)
    assert described["largest"] == (best == 0.2)


def test_a_single_alpha_is_no_edge(sweep, record):
    records = [r for r in strengths(sweep, record, best=(0.5, 0.1)) if r["alpha"]]
    assert [c.largest for c in chosen(records)] == [False]
