"""Each claim against tables in which the truth is known: planted, reversed, drowned in noise, or nothing."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lsbench.claims import all_claims
from lsbench.claims._claim import Evidence
from lsbench.claims._findings import findings
from lsbench.claims.cost import _kinds, measure
from lsbench.claims.dropout_slows import epochs_to, within_reach
from lsbench.claims.noise_alpha import slope_of_chosen
from lsbench.claims.overconfidence import when_wrong
from lsbench.claims.width import gains_by_width
from lsbench.plan import Job
from lsbench.stack import Stack

ALPHAS = [0.0, 0.05, 0.1, 0.15, 0.2]
NOISE = [0.0, 0.2, 0.4, 0.6]
WIDTHS = ["[16]", "[64]", "[256]"]


def usual(row) -> float:
    return float(row["alpha"] == 0.1)


# Claim: the grid, and what a truth of size 1 adds to the metrics of a run.
PLANTED = {
    "generalisation": ({"alpha": ALPHAS}, lambda row: {"test_accuracy": usual(row)}),
    "calibration": ({"alpha": [0.0, 0.1]}, lambda row: {"test_ece": -usual(row)}),
    "overconfidence": ({"alpha": [0.0, 0.1]}, lambda row: {"test_confidence_wrong": -usual(row)}),
    # 100 decides for 0.05 whatever the noise
    "alpha_default": (
        {"alpha": ALPHAS},
        lambda row: {"test_accuracy": usual(row), "select_nll": 100 * (row["alpha"] != 0.05)},
    ),
    "label_noise": (
        {"alpha": [0.0, 0.1], "label_noise": NOISE},
        lambda row: {"test_accuracy": usual(row) * (row["label_noise"] > 0)},
    ),
    "width": (
        {"alpha": [0.0, 0.1], "model.hidden": WIDTHS},
        lambda row: {"test_accuracy": usual(row) * WIDTHS.index(row["model.hidden"])},
    ),
    "augmentation_wins": (
        {"alpha": [0.0, 0.1], "augment": [0.0, 1.0]},
        lambda row: {"test_accuracy": float(row["augment"] > 0 and row["alpha"] == 0)},
    ),
    **{
        f"adds_to_{name}": (
            {"alpha": [0.0, 0.1], knob: [0.0, 0.5]},
            lambda row, knob=knob: {"test_accuracy": usual(row) * (3 + (row[knob] > 0)) + 2 * row[knob]},
        )
        for name, knob in (
            ("dropout", "dropout"),
            ("weight_decay", "weight_decay"),
            ("augmentation", "augment"),
        )
    },
}  # fmt: skip
# Size of the truth, noise: verdict.
TRUTHS = {
    "supported": (0.05, 0.003),
    "refuted": (-0.05, 0.003),
    "inconclusive": (0.0, 0.05),
    "equivalent": (0.0, 1e-4),
}


def decide(name: str, evidence: Evidence):
    return findings({name: all_claims()[name]}, {name: evidence})[name]


@pytest.mark.parametrize("verdict", TRUTHS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_truth_is_found(name, verdict, evidence):
    (grid, effect), (size, noise) = PLANTED[name], TRUTHS[verdict]

    def scaled(row):
        return {m: value if m == "select_nll" else size * value for m, value in effect(row).items()}

    found = decide(name, evidence(grid, scaled, noise))[0]
    assert (found.verdict, found.n) == (verdict, 10), found
    if verdict in ("supported", "refuted"):
        assert found.p < 1e-6 and found.low < found.effect < found.high
    claim = all_claims()[name]
    assert found.meaning == claim.meaning.get(verdict, "")


def test_a_single_seed_or_none_decides_nothing(evidence):
    for seeds in (1, 0):
        runs = evidence({"alpha": ALPHAS}, PLANTED["generalisation"][1], seeds=max(seeds, 1)).runs.iloc[
            : 5 * seeds
        ]
        assert decide("generalisation", Evidence(runs))[0].verdict == "inconclusive"


def test_seeds_are_paired_and_those_without_a_partner_left_out(evidence):
    runs = evidence({"alpha": [0.0, 0.1]}, lambda row: {"test_ece": usual(row) * (1 + row["seed"])}).runs
    lame = runs[~((runs["seed"] == 9) & (runs["alpha"] == 0))].sample(frac=1, random_state=0)
    found = decide("calibration", Evidence(lame))[0]
    assert found.n == 9
    assert found.effect == pytest.approx(np.mean(range(1, 10)))


def test_the_interaction_is_that_of_least_squares(evidence):
    """y = seed + a + m + a·m, fitted with numpy: of a balanced design, the contrast is that of a·m."""
    found = evidence({"alpha": [0.0, 0.1], "dropout": [0.0, 0.5]}, noise=0.05)
    runs = found.runs
    smoothed, dropped = (runs["alpha"] > 0).to_numpy(float), (runs["dropout"] > 0).to_numpy(float)
    seeds = np.eye(10)[runs["seed"].to_numpy()]
    design = np.column_stack([seeds, smoothed, dropped, smoothed * dropped])
    fitted = np.linalg.lstsq(design, runs["test_accuracy"].to_numpy(), rcond=None)[0]
    assert decide("adds_to_dropout", found)[0].effect == pytest.approx(fitted[-1], rel=1e-9)


def test_the_slope_over_width_is_that_of_polyfit(evidence):
    found = evidence({"alpha": [0.0, 0.1], "model.hidden": ["[16]", "[64, 64]", "[512]"]}, noise=0.05)
    gains = gains_by_width(found)
    assert list(gains.columns) == [16, 128, 512]
    fitted = np.polyfit([4, 7, 9], gains.mean(), 1)[0]
    assert decide("width", found)[0].effect == pytest.approx(fitted, rel=1e-9)


def test_the_slope_of_the_chosen_alpha_is_that_of_polyfit_for_each_seed(evidence):
    found = evidence({"alpha": ALPHAS, "label_noise": NOISE}, noise=0.05)
    table = found.runs
    best = table.loc[table.groupby(["label_noise", "seed"])["select_nll"].idxmin()]
    fitted = [
        np.polyfit(NOISE, best[best["seed"] == seed].sort_values("label_noise")["alpha"], 1)[0]
        for seed in range(10)
    ]
    assert slope_of_chosen(found).tolist() == pytest.approx(fitted, abs=1e-12)


@pytest.mark.parametrize(
    ("least", "verdict"),
    [
        (lambda level, seed: 0.2 - level / 4 + 0.05 * (seed == 3) * (level > 0.5), "supported"),
        (lambda level, seed: level / 4 + 0.05 * (seed == 3) * (level > 0.5), "refuted"),
        (lambda level, seed: 0.1, "equivalent"),
        (lambda level, seed: 0.1 + 0.1 * (-1) ** seed * (level > 0.3), "inconclusive"),
    ],
)
def test_the_alpha_that_noise_asks_for(least, verdict, evidence):
    def effect(row):
        return {"select_nll": 10 * abs(row["alpha"] - least(row["label_noise"], row["seed"]))}

    found = decide("noise_alpha", evidence({"alpha": ALPHAS, "label_noise": NOISE}, effect))[0]
    assert found.verdict == verdict
    if verdict == "equivalent":
        assert found.meaning == "noise does not matter to α"


def test_alpha_is_chosen_without_the_test_split(evidence):
    found = evidence({"alpha": ALPHAS}, noise=0.05)
    shuffled = found.runs.copy()
    for name in shuffled.columns[shuffled.columns.str.startswith("test_")]:
        shuffled[name] = np.random.default_rng(1).permutation(shuffled[name])
    assert found.chosen()["run"].tolist() == Evidence(shuffled).chosen()["run"].tolist()


def test_the_smaller_alpha_is_chosen_on_a_tie_and_seeds_without_all_are_left_out(evidence):
    runs = evidence({"alpha": ALPHAS}, lambda row: {"select_nll": float(row["alpha"] < 0.1)}).runs
    chosen = Evidence(runs[(runs["seed"] != 4) | (runs["alpha"] != 0.2)]).chosen()
    assert chosen["alpha"].unique().tolist() == [0.1]
    assert 4 not in chosen.index and len(chosen) == 9


@pytest.mark.parametrize(("size", "verdict"), [(0.1, "supported"), (-0.1, "refuted")])
def test_adversarial_asks_the_probes_for_each_run(size, verdict, evidence, monkeypatch):
    found = evidence({"alpha": [0.0, 0.1]})
    alpha = dict(zip(found.runs["run"], found.runs["alpha"], strict=True))
    asked = []

    def run_probe(results_dir, run, name):
        asked.append((str(results_dir), name))
        return {f"{name}_accuracy": 0.3 + 0.01 * (len(asked) % 3) + size * (alpha[run] > 0), "rows": 10.0}

    monkeypatch.setitem(sys.modules, "lsbench.probes", SimpleNamespace(run_probe=run_probe))
    pgd, fgsm = decide("adversarial", found)
    assert (pgd.verdict, fgsm.verdict) == (verdict, verdict)
    assert pgd.effect == pytest.approx(size, abs=0.02)
    assert set(asked) == {("results", "pgd"), ("results", "fgsm")} and len(asked) == 40


HISTORIES = {0: [0.2, 0.5, 0.91, 0.90], 1: [0.95, 0.80, 0.99, 0.97], 2: [0.1, 0.2, 0.3, 0.9]}


def test_epochs_to_an_accuracy_are_counted_from_1_to_the_first_that_reaches_it():
    assert epochs_to(0.9, HISTORIES).to_dict() == {0: 3, 1: 1, 2: 4}
    assert epochs_to(0.95, HISTORIES).to_dict() == {1: 1}


def test_the_accuracy_within_reach_is_in_whole_per_cent_and_rounding_takes_none():
    assert within_reach(list(HISTORIES.values())) == 0.9
    assert within_reach([[0.929], [0.957]]) == 0.92
    assert within_reach([[0.29]]) == 0.29  # 100 * 0.29 is 28.999999999999996
    assert within_reach([]) == 0


@pytest.mark.parametrize(("later", "verdict"), [(4, "supported"), (-4, "refuted"), (0, "equivalent")])
def test_dropout_slows_by_the_histories(later, verdict, evidence, tmp_path):
    runs = evidence({"dropout": [0.0, 0.5]}).runs
    for run, seed, dropout in zip(runs["run"], runs["seed"], runs["dropout"], strict=True):
        start = 8 + seed % 3 + (later if dropout else 0)
        accuracy = [min(0.5 + 0.5 * epoch / start, 0.985) for epoch in range(1, 31)]
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        pd.DataFrame({"epoch": range(1, 31), "select_accuracy": accuracy}).to_csv(folder / "history.csv")
    found = decide("dropout_slows", Evidence(runs, tmp_path))[0]
    assert found.verdict == verdict
    assert found.words.startswith("epochs to 98 % on select")
    assert found.effect == pytest.approx(later, abs=0.5)


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
    steps = pd.DataFrame(
        {"plain": 0.002, "smoothed": 0.002 * np.asarray(ratios), "dropout": 0.003, "augment": 0.01}
    )
    found = decide("cost", Evidence(evidence({"alpha": [0.0]}).runs, measured=steps))
    assert [each.verdict for each in found[:1]] == [verdict]
    assert found[0].effect == pytest.approx(np.median(ratios) - 1)
    assert [each.effect for each in found[1:]] == pytest.approx([0.5, 4.0])
    assert np.isnan(found[0].p)


def test_cost_times_each_kind_in_turns_with_the_plain_loss_for_plain(splits, make_run, monkeypatch):
    monkeypatch.setattr("lsbench.claims.cost.ROUNDS", 6)
    runs = [
        make_run(seed=seed, **knobs)
        for seed in (1, 0)
        for knobs in ({}, {"alpha": 0.1}, {"dropout": 0.5}, {"alpha": 0.1, "dropout": 0.5}, {"augment": 1.0})
    ]
    steps = measure([Job(run, splits) for run in runs])
    assert sorted(steps.columns) == ["augment", "dropout", "plain", "smoothed"]
    assert steps.shape == (6, 4) and (steps > 0).all().all()


def test_the_plain_step_of_cost_makes_the_same_loss_small(splits, make_run):
    plain = _kinds([Job(make_run(), splits)])["plain"]
    smoothed = Stack([make_run()], splits, torch.device("cpu"))
    assert type(plain).row_losses is not Stack.row_losses
    torch.testing.assert_close(plain.train_epoch(), smoothed.train_epoch(), rtol=1e-12, atol=0)


def test_what_cannot_be_read_fails_its_claim_alone(evidence):
    good, bad = evidence(*PLANTED["generalisation"], 0.01), evidence({"dropout": [0.0, 0.5]})
    claims = {name: all_claims()[name] for name in ("generalisation", "dropout_slows")}
    found = findings(claims, {"generalisation": good, "dropout_slows": bad})
    assert found["dropout_slows"][0].verdict == "failed"
    assert "history.csv" in found["dropout_slows"][0].words
    assert found["generalisation"][0].verdict == "supported"


def test_two_runs_of_one_seed_are_no_evidence(evidence):
    doubled = evidence({"alpha": ALPHAS, "weight_decay": [0.0, 0.1]})
    found = decide("generalisation", doubled)[0]
    assert found.verdict == "failed" and "several runs a seed" in found.words


def test_confidence_when_wrong_comes_from_stored_logits_where_a_record_lacks_it(evidence, tmp_path):
    found = evidence({"alpha": [0.0, 0.1]}, seeds=2)
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    for run in found.runs["run"]:
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        np.savez(folder / "predictions.npz", test_logits=np.log(probs), test_labels=np.array([0, 1, 0]))
    older = found.runs.drop(columns="test_confidence_wrong")
    assert when_wrong(Evidence(older, tmp_path)).tolist() == pytest.approx([0.65] * 4)
    assert when_wrong(found).tolist() == found.runs["test_confidence_wrong"].tolist()
    all_right = older.assign(test_accuracy=1.0)
    assert when_wrong(Evidence(all_right, tmp_path)).isna().all()
