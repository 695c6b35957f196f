"""The noise floor of ECE against every outcome counted, against draws, and against closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from lsbench.calibration.bins import bin_index, equal_width_bins
from lsbench.calibration.ece_floor import ece_floor, expected_ece
from lsbench.terms import BINS


def convolved(confidence):
    """The floor from each bin's whole distribution, one row convolved after the other."""
    total, index = 0.0, bin_index(torch.tensor(confidence)).numpy()
    for place_ in range(BINS):
        inside, pmf = confidence[index == place_], np.ones(1)
        for c in inside:
            pmf = np.convolve(pmf, [1 - c, c])
        total += np.abs(np.arange(len(pmf)) - inside.sum()) @ pmf
    return total / len(confidence)


SHAPES = {
    "spread": lambda rng, n: rng.uniform(0.1, 1, n),
    "confident": lambda rng, n: rng.beta(8, 1, n),
    "nearly certain": lambda rng, n: 1 - rng.exponential(1e-4, n),
    "rare": lambda rng, n: rng.uniform(0, 2e-3, n),
    "edges": lambda rng, n: rng.integers(0, BINS + 1, n) / BINS,
}


@pytest.mark.parametrize("rows", [1, 2, 7, 60, 900])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_sum_over_the_whole_distribution(shape, rows):
    confidence = SHAPES[shape](np.random.default_rng(rows), rows)
    assert expected_ece(torch.tensor(confidence)).item() == pytest.approx(convolved(confidence), abs=1e-11)


def test_it_is_the_mean_over_every_labelling():
    confidence = torch.tensor([0.3, 0.55, 0.58, 0.95, 0.99], dtype=torch.float64)
    mean = 0.0
    for outcome in itertools.product([0.0, 1.0], repeat=5):
        right = torch.tensor(outcome, dtype=torch.float64)
        chance = torch.where(right > 0, confidence, 1 - confidence).prod()
        mean += (chance * equal_width_bins(confidence, right).expected_error()).item()
    assert expected_ece(confidence).item() == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize(("rows", "confidence"), [(10, 0.5), (1000, 0.9), (20_000, 0.99), (10_000, 1e-4)])
def test_equal_confidences_are_a_binomial(rows, confidence):
    # de Moivre: E|S − np| = 2·(1−p)·m·P(S = m), m = floor(np) + 1
    m = math.floor(rows * confidence + 1e-9) + 1
    expected = 2 * (1 - confidence) * m * stats.binom(rows, confidence).pmf(m) / rows
    floor = expected_ece(torch.full((rows,), confidence, dtype=torch.float64)).item()
    assert floor == pytest.approx(expected, rel=1e-8)


def test_it_is_what_draws_show():
    g = torch.Generator().manual_seed(0)
    confidence = torch.rand(2, 10_000, generator=g, dtype=torch.float64) ** torch.tensor([[0.05], [0.5]])
    draws = [
        equal_width_bins(confidence, torch.rand(confidence.shape, generator=g) < confidence).expected_error()
        for _ in range(400)
    ]
    drawn = torch.stack(draws)
    error = drawn.std(0) / math.sqrt(len(draws))
    assert ((drawn.mean(0) - expected_ece(confidence)).abs() < 4 * error).all()
    assert (error / drawn.mean(0)).max() < 0.02


def test_a_member_has_its_floor_whatever_its_company_and_certainty_has_none():
    g = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(3, 500, 6, generator=g)
    together = ece_floor(logits)
    alone = torch.cat([ece_floor(logits[m : m + 1]) for m in range(3)])
    assert torch.allclose(together, alone, rtol=1e-12)
    assert together.dtype == torch.float64
    certain = torch.zeros(1, 8, 3).index_fill(-1, torch.tensor([1]), 900.0)
    assert ece_floor(certain).tolist() == pytest.approx([0], abs=1e-12)
