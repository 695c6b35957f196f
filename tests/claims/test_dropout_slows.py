"""Epochs to a target that does not depend on dropout, and runs that never reach it."""

import numpy as np
import pandas as pd
import pytest

from lsbench.analysis.evidence import Evidence
from lsbench.claims.dropout_slows import epochs_to

from .conftest import decide

HISTORIES = {0: [0.2, 0.5, 0.91, 0.90], 1: [0.95, 0.80, 0.99, 0.97], 2: [0.1, 0.2, 0.3, 0.9]}


def test_epochs_to_an_accuracy_are_counted_from_1_to_the_first_that_reaches_it():
    assert epochs_to(dict.fromkeys(range(3), 0.9), HISTORIES).values.to_dict() == {0: 3, 1: 1, 2: 4}
    assert epochs_to({0: 0.5, 1: 0.99, 2: 0.91}, HISTORIES).values.to_dict() == {
        0: 2,
        1: 3,
        2: 5,
    }  # 2 never does
    assert epochs_to({1: 0.95}, HISTORIES).values.to_dict() == {1: 1}


def straight(start: float, best: float) -> list[float]:
    """Accuracy after each of 30 epochs: a line from 0.5 to 1 over ``start`` epochs, capped at ``best``."""
    return [min(0.5 + 0.5 * epoch / start, best) for epoch in range(1, 31)]


@pytest.fixture
def dropout(evidence, tmp_path):
    """Evidence with histories: ``dropped(seed)`` with dropout; without it ``plain(seed)``, by default 8 to
    10 epochs to 1."""

    def make(dropped, plain=lambda seed: straight(8 + seed % 3, 0.985)) -> Evidence:
        runs = evidence({"dropout": [0.0, 0.5]}).runs
        for run, seed, on in zip(runs["run"], runs["seed"], runs["dropout"], strict=True):
            accuracy = dropped(seed) if on else plain(seed)
            folder = tmp_path / "runs" / run
            folder.mkdir(parents=True)
            pd.DataFrame({"epoch": range(1, 31), "select_accuracy": accuracy}).to_csv(folder / "history.csv")
        return Evidence(runs, tmp_path)

    return make


@pytest.mark.parametrize(("later", "verdict"), [(4, "supported"), (-4, "refuted"), (0, "equivalent")])
def test_dropout_slows_by_the_histories(later, verdict, dropout):
    result = decide(
        "dropout_slows", dropout(lambda seed: straight(8 + seed % 3 + later + (seed == 3), 0.985))
    )[0]
    assert result.word == verdict
    assert result.words == "epochs to 95 % of the plain run's best select accuracy, dropout against none"
    starts = [
        [8 + seed % 3 + later + (seed == 3) for seed in range(10)],
        [8 + seed % 3 for seed in range(10)],
    ]
    epochs = np.ceil(2 * (0.95 * 0.985 - 0.5) * np.array(starts))
    assert result.effect == pytest.approx((epochs[0] - epochs[1]).mean())


def test_the_target_is_the_plain_runs_own_whatever_dropout_reaches(dropout):
    """95 % of 0.985 is 0.93575: with 8, 9 and 10 epochs to 1 the plain runs reach it after 7, 8 and 9. With
    dropout seed 4 never reaches it, which counts as epoch 31 of 30; the seed is not left out."""
    result = decide("dropout_slows", dropout(lambda seed: straight(12, 0.9 if seed == 4 else 0.94)))[0]
    plain = [(7, 8, 9)[seed % 3] for seed in range(10)]
    dropped = [31 if seed == 4 else 11 for seed in range(10)]
    assert result.effect == pytest.approx(np.mean(dropped) - np.mean(plain)) and result.n == 10
    assert "with dropout 1 of 10 seeds never, counted as one epoch more" in result.words


@pytest.mark.parametrize(("never", "verdict"), [(0, "refuted"), (1, "inconclusive"), (10, "supported")])
def test_where_dropout_never_gets_there_it_is_not_called_faster(never, verdict, dropout):
    """The other seeds reach the target after 4 or 5 epochs with dropout, and after 25 without it."""

    def dropped(seed):
        return [0.5] * 30 if seed < never else straight(4 + seed % 2, 0.94)

    def plain(seed):
        return straight(28 - seed % 2, 0.985)

    result = decide("dropout_slows", dropout(dropped, plain))[0]
    assert result.word == verdict and result.p_holm < 0.05
    reached = [[31 if seed < never else 4 + seed % 2, 25 - seed % 2] for seed in range(10)]
    assert result.effect == pytest.approx(np.mean([a - b for a, b in reached]))
    assert result.meaning.startswith("some never reached it") == (verdict == "inconclusive")
