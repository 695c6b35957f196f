"""Each claim against tables in which the truth is known: planted, reversed, drowned in noise, or nothing."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lsbench.analysis.evidence import Evidence
from lsbench.analysis.findings import judge_claims
from lsbench.claims import all_claims
from lsbench.claims.width import gains_by_width

from .conftest import ALPHAS, NOISE, decide

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
        lambda row: {"test_accuracy": usual(row), "select_nll_ts": 100 * (row["alpha"] != 0.05)},
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
            {"alpha": [0.0, 0.1], knob: [0.0, 0.5]},  # a third of the gain is left with the method
            lambda row, knob=knob: {"test_accuracy": usual(row) * (3 - 2 * (row[knob] > 0)) + 2 * row[knob]},
        )
        for name, knob in (
            ("dropout", "dropout"),
            ("weight_decay", "weight_decay"),
            ("augmentation", "augment"),
        )
    },
}  # fmt: skip
MEANINGS = {
    "alpha_default": {
        "supported": "better than choosing",
        "refuted": "choosing pays",
        "equivalent": "nothing is lost by not choosing",
    },
    "width": {"refuted": "small models gain more", "equivalent": "width does not matter"},
    "augmentation_wins": {"refuted": "smoothing wins"},
    **{
        f"adds_to_{knob}": {
            "supported": f"better than {words} alone",
            "refuted": f"worse than {words} alone",
            "equivalent": f"nothing on top of {words}",
        }
        for knob, words in (
            ("dropout", "dropout"),
            ("weight_decay", "weight decay"),
            ("augmentation", "augmentation"),
        )
    },
}
# Size of the truth, noise: verdict.
TRUTHS = {
    "supported": (0.05, 0.003),
    "refuted": (-0.05, 0.003),
    "inconclusive": (0.0, 0.05),
    "equivalent": (0.0, 1e-4),
}


@pytest.mark.parametrize("verdict", TRUTHS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_truth_is_found(name, verdict, evidence):
    (grid, effect), (size, noise) = PLANTED[name], TRUTHS[verdict]

    def scaled(row):
        return {m: value if m == "select_nll_ts" else size * value for m, value in effect(row).items()}

    result = decide(name, evidence(grid, scaled, noise))[0]
    assert (result.word, result.n) == (verdict, 10), result
    if verdict in ("supported", "refuted"):
        assert result.p < 1e-6 and result.low < result.effect < result.high
    assert result.meaning == MEANINGS.get(name, {}).get(verdict, "")


def test_a_single_seed_or_none_decides_nothing(evidence):
    for seeds in (1, 0):
        runs = evidence({"alpha": ALPHAS}, PLANTED["generalisation"][1], seeds=max(seeds, 1)).runs.iloc[
            : 5 * seeds
        ]
        assert decide("generalisation", Evidence(runs))[0].word == "inconclusive"


def test_seeds_are_paired_and_those_without_a_partner_left_out(evidence):
    runs = evidence({"alpha": [0.0, 0.1]}, lambda row: {"test_ece": usual(row) * (1 + row["seed"])}).runs
    lame = runs[~((runs["seed"] == 9) & (runs["alpha"] == 0))].sample(frac=1, random_state=0)
    result = decide("calibration", Evidence(lame))[0]
    assert result.n == 9
    assert result.effect == pytest.approx(np.mean(range(1, 10)))


def test_the_interaction_is_that_of_least_squares(evidence):
    """y = seed + a + m + a·m, fitted with numpy: in a balanced design the interaction is the coefficient of
    a·m."""
    result = evidence({"alpha": [0.0, 0.1], "dropout": [0.0, 0.5]}, noise=0.05)
    runs = result.runs
    smoothed, dropped = (runs["alpha"] > 0).to_numpy(float), (runs["dropout"] > 0).to_numpy(float)
    seeds = np.eye(10)[runs["seed"].to_numpy()]
    design = np.column_stack([seeds, smoothed, dropped, smoothed * dropped])
    fitted = np.linalg.lstsq(design, runs["test_accuracy"].to_numpy(), rcond=None)[0]
    assert decide("adds_to_dropout", result)[1].effect == pytest.approx(fitted[-1], rel=1e-9)


def test_smoothing_adds_to_a_method_whose_gain_it_overlaps(evidence):
    """Smoothing gains 5 points alone and 2 on top of dropout: better than dropout alone, less than the
    sum."""

    def effect(row):
        return {"test_accuracy": usual(row) * (0.02 if row["dropout"] else 0.05)}

    result = decide("adds_to_dropout", evidence({"alpha": [0.0, 0.1], "dropout": [0.0, 0.5]}, effect, 0.003))
    assert [item.word for item in result] == ["supported", "refuted"]
    assert [item.effect for item in result] == pytest.approx([0.02, -0.03], abs=0.003)
    assert [item.meaning for item in result] == ["better than dropout alone", "the gains overlap"]


def test_the_slope_over_width_is_that_of_polyfit(evidence):
    result = evidence({"alpha": [0.0, 0.1], "model.hidden": ["[16]", "[64, 64]", "[512]"]}, noise=0.05)
    gains = gains_by_width(result)
    assert list(gains) == [16, 128, 512]
    fitted = np.polyfit([4, 7, 9], [gain.values.mean() for gain in gains.values()], 1)[0]
    assert decide("width", result)[0].effect == pytest.approx(fitted, rel=1e-9)


def test_beside_the_slope_stands_the_gain_at_each_width(evidence):
    """With three widths, the largest against the smallest would only repeat the slope."""
    grid = {"alpha": [0.0, 0.1], "model.hidden": ["[256]", "[16]", "[64]"]}
    runs = evidence(grid, noise=0.05).runs
    _, *gains = decide("width", Evidence(runs))
    wide = runs.pivot_table(index="model.hidden", columns="alpha", values="test_accuracy")
    expected = [wide.loc[text, 0.1] - wide.loc[text, 0.0] for text in WIDTHS]
    assert [item.effect for item in gains] == pytest.approx(expected)
    assert [item.words for item in gains] == [
        f"test accuracy with {width} hidden units, α = 0.1 against 0" for width in (16, 64, 256)
    ]


@pytest.mark.parametrize(("size", "verdict"), [(0.1, "supported"), (-0.1, "refuted")])
def test_adversarial_asks_the_probes_for_each_run(size, verdict, evidence, monkeypatch):
    result = evidence({"alpha": [0.0, 0.1]})
    alpha = dict(zip(result.runs["run"], result.runs["alpha"], strict=True))
    asked = []

    def run_probe(results_dir, run, name):
        asked.append((str(results_dir), name))
        return {f"{name}_accuracy": 0.3 + 0.01 * (len(asked) % 3) + size * (alpha[run] > 0), "rows": 10.0}

    monkeypatch.setitem(sys.modules, "lsbench.probes", SimpleNamespace(run_probe=run_probe))
    pgd, fgsm = decide("adversarial", result)
    assert (pgd.word, fgsm.word) == (verdict, verdict)
    assert pgd.effect == pytest.approx(size, abs=0.02)
    assert set(asked) == {("results", "pgd"), ("results", "fgsm")} and len(asked) == 40


def test_far_too_little_confidence_is_not_an_improvement_on_a_little_too_much(evidence):
    """From 3.2 points above accuracy to 13.1 below it: 9.9 points further away."""

    def effect(row):
        return {"test_confidence_gap": -0.163 * usual(row)}

    some = evidence({"alpha": [0.0, 0.1]}, effect, 1e-3).runs
    some["test_confidence_gap"] += 0.032 - some.loc[some["alpha"] == 0, "test_confidence_gap"].mean()
    result = decide("calibration", Evidence(some))[-1]
    both = some.assign(far=some["test_confidence_gap"].abs()).pivot(
        index="seed", columns="alpha", values="far"
    )
    assert result.word == "refuted" and result.effect == pytest.approx((both[0.1] - both[0.0]).mean())
    assert "(signed: −13.1" in result.words and "against +3.20)" in result.words


def test_what_cannot_be_read_fails_its_claim_alone(evidence):
    good, bad = evidence(*PLANTED["generalisation"], 0.01), evidence({"dropout": [0.0, 0.5]})
    claims = {name: all_claims()[name].compare for name in ("generalisation", "dropout_slows")}
    result = judge_claims(claims, {"generalisation": good, "dropout_slows": bad})
    assert result["dropout_slows"][0].word == "failed"
    assert "history.csv" in result["dropout_slows"][0].words
    assert result["generalisation"][0].word == "supported"


def test_two_runs_of_one_seed_are_no_evidence(evidence):
    doubled = evidence({"alpha": ALPHAS, "weight_decay": [0.0, 0.1]})
    result = decide("generalisation", doubled)[0]
    assert result.word == "failed" and "several runs per seed" in result.words
