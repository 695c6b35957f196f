"""The chosen alpha, its criterion, and its change with label noise."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from lsbench import conf_dir
from lsbench.analysis.evidence import Evidence
from lsbench.claims import all_claims

from .conftest import ALPHAS, NOISE, decide


def test_alpha_is_chosen_without_the_test_split(evidence):
    result = evidence({"alpha": ALPHAS}, noise=0.05)
    shuffled = result.runs.copy()
    for name in shuffled.columns[shuffled.columns.str.startswith("test_")]:
        shuffled[name] = np.random.default_rng(1).permutation(shuffled[name])
    assert result.chosen()["run"].tolist() == Evidence(shuffled).chosen()["run"].tolist()


def test_nll_after_scaling_chooses(evidence):
    def effect(row):
        return {"select_nll_ts": float(row["alpha"] != 0.15), "select_nll": float(row["alpha"] != 0.05)}

    result = evidence({"alpha": ALPHAS, "label_noise": NOISE}, effect)
    assert result.chosen(label_noise=0.0)["alpha"].unique().tolist() == [0.15]
    some = Evidence(result.runs[result.runs["label_noise"] == 0.4])
    for name in ("noise_alpha", "alpha_default", "generalisation"):
        words = [item.words for item in decide(name, result if name == "noise_alpha" else some)]
        assert any("chosen by select NLL scaled" in text for text in words)


def test_the_smaller_alpha_is_chosen_on_a_tie_and_seeds_without_all_are_left_out(evidence):
    runs = evidence({"alpha": ALPHAS}, lambda row: {"select_nll_ts": float(row["alpha"] < 0.1)}).runs
    chosen = Evidence(runs[(runs["seed"] != 4) | (runs["alpha"] != 0.2)]).chosen()
    assert chosen["alpha"].unique().tolist() == [0.1]
    assert 4 not in chosen.index and len(chosen) == 9


def test_the_slope_of_the_chosen_alpha_is_that_of_polyfit_for_each_seed(evidence):
    result = evidence({"alpha": ALPHAS, "label_noise": NOISE}, noise=0.05)
    table = result.runs
    best = table.loc[table.groupby(["label_noise", "seed"])["select_nll_ts"].idxmin()]
    fitted = [
        np.polyfit(NOISE, best[best["seed"] == seed].sort_values("label_noise")["alpha"], 1)[0]
        for seed in range(10)
    ]
    [asked] = all_claims()["noise_alpha"].compare(result)
    assert asked.values.values.tolist() == pytest.approx(fitted, abs=1e-12)


@pytest.mark.parametrize(
    ("least", "verdict"),
    [
        (lambda level, seed: 0.2 - level / 4 + 0.05 * (seed == 3) * (level > 0.5), "supported"),
        (lambda level, seed: level / 4 + 0.05 * (seed == 3) * (level > 0.5), "refuted"),
        (lambda level, seed: 0.1 + 0.05 * (seed == 3) * (level == 0.4), "equivalent"),
        (lambda level, seed: 0.1 + 0.1 * (-1) ** seed * (level > 0.3), "inconclusive"),
    ],
)
def test_the_alpha_that_noise_asks_for(least, verdict, evidence):
    def effect(row):
        return {"select_nll_ts": 10 * abs(row["alpha"] - least(row["label_noise"], row["seed"]))}

    result = decide("noise_alpha", evidence({"alpha": ALPHAS, "label_noise": NOISE}, effect))[0]
    assert result.word == verdict
    if verdict == "equivalent":
        assert result.meaning == "noise does not matter to α"


def test_one_alpha_for_every_seed_and_noise_has_no_spread_to_test(evidence):
    """The slopes are 0, and not 1e-17 with p = 0.002."""

    def effect(row):
        return {"select_nll_ts": abs(row["alpha"] - 0.1)}

    result = decide("noise_alpha", evidence({"alpha": ALPHAS, "label_noise": NOISE}, effect))[0]
    assert result.word == "inconclusive" and result.effect == 0 and np.isnan(result.p)
    assert result.meaning == "the two are equal in every run, so nothing can be tested"


@pytest.mark.parametrize(
    ("by_level", "verdict", "levels"),
    [
        ([0.2, 0.2, 0.2, 0.2], "inconclusive", "0, 0.2, 0.4, 0.6"),
        ([0.05, 0.2, 0.2, 0.2], "inconclusive", "0.2, 0.4, 0.6"),  # more at 0.2 would turn it down
        ([0.2, 0.2, 0.2, 0.1], "inconclusive", "0, 0.2, 0.4"),  # more at 0.4 would turn it up
        ([0.2, 0.15, 0.1, 0.0], "supported", ""),  # more at 0 would make it steeper
        ([0.0, 0.05, 0.1, 0.2], "refuted", ""),
        ([0.0, 0.0, 0.0, 0.0], "equivalent", ""),  # there is no alpha below
    ],
)
def test_a_choice_at_the_largest_alpha_gives_no_verdict_that_a_larger_one_might_undo(
    by_level, verdict, levels, evidence
):
    def effect(row):
        wanted = by_level[NOISE.index(row["label_noise"])]
        one_less = row["seed"] == 3 and row["label_noise"] == 0.4  # most seeds are enough
        wanted += 0.05 * (-1 if wanted else 1) * one_less
        return {"select_nll_ts": 10 * abs(row["alpha"] - wanted)}

    result = decide("noise_alpha", evidence({"alpha": ALPHAS, "label_noise": NOISE}, effect))[0]
    assert result.word == verdict
    edge = f"at the edge of the grid: most seeds choose α = 0.2 at noise {levels}"
    assert (result.meaning == edge) == bool(levels)


@pytest.mark.parametrize(
    ("name", "index", "at_edge", "inside"),
    [
        ("alpha_default", 0, {0: "inconclusive", 0.05: "inconclusive", -0.05: "refuted"}, "equivalent"),
        ("alpha_default", 1, {0: "inconclusive"}, "equivalent"),
        ("generalisation", 1, {0: "inconclusive", 0.05: "inconclusive", -0.05: "supported"}, "equivalent"),
    ],
)
def test_what_a_larger_alpha_might_undo_is_withheld_where_most_seeds_choose_the_largest(
    name, index, at_edge, inside, evidence
):
    """``at_edge``: verdicts by how much better the test accuracy of every other alpha is than the
    largest's."""

    def decided(wanted, better):
        def effect(row):
            asked = wanted - 0.05 * (row["seed"] < 4)  # six seeds are most
            loss = 100 * abs(row["alpha"] - asked)
            return {"select_nll_ts": loss, "test_accuracy": -better * (row["alpha"] == 0.2)}

        return decide(name, evidence({"alpha": ALPHAS}, effect, 1e-4))[index]

    for better, verdict in at_edge.items():
        result = decided(0.2, better)
        assert result.word == verdict
        edge = "at the edge of the grid: most seeds choose α = 0.2"
        assert (result.meaning == edge) == (verdict == "inconclusive")
    assert decided(0.15, 0).word == inside


def test_a_claim_that_chooses_alpha_has_the_whole_grid():
    """If the grid ended at 0.2, 7 of 10 seeds of mnist5k would choose 0.2 (counted by hand)."""
    for name in ("alpha_default", "generalisation"):
        grid = OmegaConf.load(conf_dir() / "experiment" / "claims" / f"{name}.yaml").hydra.sweeper.params
        assert grid.alpha == "0,0.05,0.1,0.15,0.2,0.3,0.5"
