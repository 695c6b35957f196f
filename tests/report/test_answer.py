"""The answer in words: in every case what the verdicts and choices say, and no more."""

from dataclasses import replace

import pytest

from lsbench.report.answer import one_seed, sentences
from lsbench.report.document import plain

from ..records import make_record, make_results, make_sweep


def part_of(records):
    [part] = make_results(records).parts
    return part


def with_effects(accuracy, nll=0.0, ece=0.0, seeds=10, alpha=0.1, method="none", strength=None):
    """Runs without and with smoothing, whose metrics differ by these effects and a little noise."""
    records = []
    for seed in range(seeds):
        settings = {} if strength is None else strength
        plain_run = make_record(method, 0.0, seed, select_nll_ts=0.3, **settings)
        noise = 1e-5 * (-1) ** seed * (1 + seed % 3)
        metrics = {"test_accuracy": accuracy, "test_nll_ts": nll, "test_ece": ece, "test_ece_ts": 0.0}
        values = {name: plain_run[name] + effect + noise for name, effect in metrics.items()}
        records += [plain_run, make_record(method, alpha, seed, select_nll_ts=0.2, **values, **settings)]
    return records


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (0.01, "Smoothing raises accuracy in plain training (α = 0.1: +1.00 [+1.00, +1.00] points)."),
        (-0.01, "Smoothing lowers accuracy in plain training (α = 0.1: −1.00 [−1.00, −1.00] points)."),
        (0.0, "Smoothing leaves accuracy within ±0.20 points in plain training (α = 0.1: +0.00"),
    ],
)
def test_the_first_sentence_says_what_smoothing_does_to_accuracy(effect, words):
    assert sentences(part_of(with_effects(effect)))[0].startswith(words)


def test_what_is_not_settled_is_said_so():
    records = make_sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(10))
    for record in records:
        if record["alpha"]:
            record["test_accuracy"] += 0.01 * (-1) ** record["seed"] - 0.004
    assert sentences(part_of(records))[0].startswith("Whether smoothing changes accuracy is not settled")


def test_methods_are_grouped_by_their_verdict():
    records = with_effects(0.01) + with_effects(-0.01, method="dropout", strength={"dropout": 0.5})
    records += with_effects(0.01, method="augment", strength={"augment": 1.0})
    first = sentences(part_of(records))[0]
    assert first.startswith("Smoothing raises accuracy in plain training (α = 0.1: +1.00 ")
    assert " and with augment (α = 0.1" in first and "; smoothing lowers accuracy with dropout" in first


def test_the_second_sentence_tells_calibration_before_and_after_one_temperature():
    second = sentences(part_of(with_effects(0.01, nll=-0.05, ece=0.1)))[1]
    assert second.startswith(
        "The calibration error (ECE) as trained is higher in plain training (α = 0.1: +10.0"
    )
    assert "After one temperature, it stays within ±0.50 points" in second
    assert "and NLL is lower in plain training (α = 0.1: −0.0500 nats)." in second


def test_the_third_sentence_recommends_by_select_results_and_says_what_that_rests_on():
    records = with_effects(-0.01, nll=0.05)  # worse on test, and yet the choice of select
    third = sentences(part_of(records))[2]
    assert third.startswith("Recommended here: plain training with α = 0.1 and a temperature of about ")
    assert "of 2 settings has the lowest NLL on the select split" in third and "(n = 10)" in third
    assert third.endswith(
        "The verdicts hold for new seeds on this test set only."
    )  # no predictions are stored


def test_few_seeds_are_exploratory_and_one_seed_gives_no_verdict():
    third = sentences(part_of(with_effects(0.01, seeds=5)))[2]
    assert "The verdicts are exploratory, with 5 seeds, and hold" in third
    texts = sentences(part_of(with_effects(0.01, seeds=1)))
    assert texts[0].startswith(
        "Whether smoothing changes accuracy is not settled in plain training (α = 0.1: +1.00 points"
    )
    assert texts[2].endswith("One seed gives no verdict.")
    assert one_seed(part_of(with_effects(0.01, seeds=1))) == []


@pytest.mark.parametrize(
    ("alphas", "words"),
    [
        ([0.0], "No run has smoothing, so nothing can be said of its effect."),
        ([0.1], "No run without smoothing has the same settings"),
        ([0.1, 0.2], "No run without smoothing has the same settings"),
    ],
)
def test_where_nothing_is_compared_nothing_is_claimed(alphas, words):
    texts = sentences(part_of(make_sweep(methods=["none"], alphas=alphas, seeds=range(3))))
    assert texts[0].startswith(words) and len(texts) == 2
    assert texts[1].startswith("Nothing is recommended" if len(alphas) == 1 else "Recommended here")


def test_where_alpha_0_is_chosen_the_best_smoothing_is_spoken_of_and_0_recommended():
    records = with_effects(0.01)
    records = [record | {"select_nll_ts": 0.1 if not record["alpha"] else 0.2} for record in records]
    texts = sentences(part_of(records))
    assert texts[0].startswith("Smoothing raises accuracy in plain training (α = 0.1")
    assert texts[2].startswith("Recommended here: plain training with α = 0 ")


def test_failed_runs_leave_nothing_to_say():
    records = [make_record("none", alpha, 0, status="failed") for alpha in (0.0, 0.1)]
    assert sentences(part_of(records))[0] == "No run is done, so nothing can be said."


def test_single_seeds_that_point_the_other_way_are_counted():
    records = with_effects(0.01)
    for record in records:
        if record["alpha"] and record["seed"] in (2, 7, 8):
            record["test_accuracy"] -= 0.02
    [text] = one_seed(part_of(records))
    assert "3 of 10 in plain training point the other way in accuracy" in plain(text.text)


def test_the_target_of_the_verdicts_is_named(monkeypatch):
    part = part_of(with_effects(0.01))
    judged = [replace(comparison, rows_se=0.001) for comparison in part.judged]
    monkeypatch.setitem(part.__dict__, "judged", judged)
    assert sentences(part)[2].endswith("The verdicts hold for new images from the same source.")


def test_conventions_alone_are_compared_with_uniform():
    records = []
    for seed in range(10):
        uniform = make_record("none", 0.1, seed)
        noise = 1e-5 * (-1) ** seed * (1 + seed % 3)
        changed = {
            "test_accuracy": uniform["test_accuracy"] - 0.01 + noise,
            "test_nll_ts": uniform["test_nll_ts"] + noise,
        }
        records += [uniform, make_record("none", 0.1, seed, convention="as_printed", **changed)]
    texts = sentences(part_of(records))
    assert texts[0].startswith("No run without smoothing has the same settings")
    assert texts[1].startswith(
        "Compared with the convention uniform, accuracy is worse with none, convention=as_printed"
    )
    assert "and NLL after one temperature stays within ±0.0050 nats" in texts[1] and len(texts) == 3
