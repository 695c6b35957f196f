"""Decisions from stored runs: the looks whose pairs are complete, and where each question ends."""

import numpy as np
import pytest
from scipy import stats

from lsbench.analysis.decisions import HOPELESS, OPEN, UNSETTLED, decide
from lsbench.analysis.sequential import design
from lsbench.store.protocols import Protocol

from ..records import make_record, make_results

LOOKS = (4, 6, 8, 12)
PLAN = design(LOOKS, 2)


def records(gains, nll=lambda seed: 0.0):
    made = []
    for seed, gain in enumerate(gains):
        plain = make_record("none", 0.0, seed)
        made.append(plain)
        changed = {
            "test_accuracy": plain["test_accuracy"] + gain,
            "test_nll_ts": plain["test_nll_ts"] + nll(seed),
        }
        made.append(make_record("none", 0.1, seed, **changed))
    return made


def decided(runs, questions=("test_accuracy", "test_nll_ts")):
    cells = tuple(dict.fromkeys(record["cell"] for record in runs))
    protocol = Protocol(questions, LOOKS, PLAN.levels, PLAN.fixed_pairs, 0.1, cells)
    return decide(protocol, make_results(runs))


def noise(n, scale, seed=0):
    return np.random.default_rng(seed).normal(0, scale, n)


def test_a_clear_gain_is_settled_at_the_first_look_whose_interval_excludes_0():
    gains = 0.02 + noise(8, 0.002)
    decision = decided(records(gains, lambda seed: 0.004 * (-1) ** seed))
    accuracy, nll = decision.outcomes
    expected = []
    for look, level in zip(LOOKS[:3], PLAN.levels, strict=False):
        low = stats.ttest_1samp(gains[:look], 0).confidence_interval(1 - level).low
        expected.append("supported" if low > 0 else OPEN)
        if low > 0:
            break
    assert [look.state for look in accuracy.looks] == expected and expected[-1] == "supported"
    assert accuracy.looks[-1].low == pytest.approx(low)
    assert [look.pairs for look in nll.looks] == [4, 6, 8] and nll.state == OPEN
    assert decision.is_open and decision.runs == 16


def test_a_settled_question_stays_settled_at_its_look():
    gains = np.concatenate([0.02 + noise(4, 0.0002), -0.5 * np.ones(4)])
    [accuracy] = decided(records(gains), ("test_accuracy",)).outcomes
    assert [look.pairs for look in accuracy.looks] == [4] and accuracy.state == "supported"


def test_differences_within_the_margin_are_equivalent():
    [accuracy] = decided(records(noise(12, 0.0002)), ("test_accuracy",)).outcomes
    assert accuracy.state == "equivalent"


def test_the_last_look_ends_an_open_question():
    decision = decided(records(0.004 * (-1.0) ** np.arange(12)), ("test_accuracy",))
    assert decision.outcomes[0].state == UNSETTLED and not decision.is_open
    assert [look.pairs for look in decision.outcomes[0].looks] == list(LOOKS)


def test_only_looks_with_all_their_pairs_are_judged():
    runs = records(0.004 * (-1.0) ** np.arange(7))
    assert [look.pairs for look in decided(runs[:-1]).outcomes[0].looks] == [4, 6]
    assert decided(runs[:5]).outcomes[0].looks == () and decided(runs[:5]).is_open


def test_a_pair_that_failed_is_left_out_and_the_look_is_judged():
    gains = 0.02 + noise(6, 0.0005)
    runs = records(gains)
    runs[3] = make_record("none", 0.1, 1, status="failed")
    [accuracy] = decided(runs, ("test_accuracy",)).outcomes
    assert [look.difference.n for look in accuracy.looks][:1] == [3]


def test_what_the_test_rows_forbid_is_hopeless(tmp_path):
    """Twelve rows of which networks get other ones right: more seeds would not settle it."""
    rng, runs = np.random.default_rng(1), []
    labels = np.zeros(40, dtype=int)
    for seed in range(4):
        for alpha in (0.0, 0.1):
            right = np.arange(40) < (28 if alpha else 26)
            if alpha:
                right[20:24] = False
            logits = np.where(right[:, None], [2.0, 0.0], [0.0, 2.0]) + rng.normal(0, 0.01, (40, 2))
            record = make_record("none", alpha, seed, test_accuracy=float(right.mean()) + 1e-5 * rng.normal())
            folder = tmp_path / "runs" / record["run"]
            folder.mkdir(parents=True)
            arrays = {
                "test_logits": logits.astype(np.float32),
                "test_labels": labels,
                "test_rows": np.arange(40),
            }
            np.savez(folder / "predictions.npz", **arrays)
            runs.append(record)
    cells = tuple(dict.fromkeys(record["cell"] for record in runs))
    protocol = Protocol(("test_accuracy",), LOOKS, PLAN.levels, PLAN.fixed_pairs, 0.1, cells)
    [accuracy] = decide(protocol, make_results(runs, tmp_path / "mine")).outcomes
    assert accuracy.state == HOPELESS and accuracy.looks[-1].pairs == 4
