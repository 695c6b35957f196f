import numpy as np
import pytest
import torch
from scipy import stats

from lsbench import rng


def splitmix64(state: int, n: int) -> list[int]:
    """The published reference (Steele, Lea & Flood 2014; Vigna's splitmix64.c) in unbounded integers."""
    words = []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        words.append(z ^ (z >> 31))
    return words


@pytest.mark.parametrize("state", [0, 1234567, 2**63 - 1])
def test_bits_are_splitmix64(state):
    words = [word % 2**64 for word in rng.bits(torch.tensor(state), 50).tolist()]
    assert words == splitmix64(state, 50)


def test_bits_are_the_published_first_words_of_seed_1234567():
    """The usual test vector of splitmix64 implementations."""
    words = [word % 2**64 for word in rng.bits(torch.tensor(1234567), 3).tolist()]
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniform_is_uniform_and_below_one():
    draws = rng.uniform(rng.key(torch.arange(20), "order"), 5000)
    assert draws.min() >= 0 and draws.max() < 1
    assert stats.kstest(draws.flatten().numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("shape", [0.05, 0.2, 1.0, 4.0, 1e6])
def test_symmetric_beta_has_scipys_distribution(shape):
    """Each half separately: near 1, float64 cannot resolve most of Beta(0.05, 0.05)."""
    keys = rng.fold(rng.key(torch.tensor(3), "mixup"), torch.arange(20000))
    draws = rng.symmetric_beta(keys, torch.tensor(shape, dtype=torch.float64)).numpy()
    low, high = draws[draws < 0.5], draws[draws >= 0.5]
    distribution = stats.beta(shape, shape)
    assert stats.binomtest(len(low), len(draws), 0.5).pvalue > 1e-4
    assert stats.kstest(low, lambda x: 2 * distribution.cdf(x)).pvalue > 1e-4
    if shape >= 1:
        assert stats.kstest(high, lambda x: 2 * distribution.cdf(x) - 1).pvalue > 1e-4
        assert stats.kstest(draws, distribution.cdf).pvalue > 1e-4


def test_symmetric_beta_broadcasts_shapes_of_any_size():
    keys = rng.key(torch.arange(300), "mixup")
    shapes = torch.logspace(-300, 300, 300, dtype=torch.float64)
    draws = rng.symmetric_beta(keys, shapes)
    assert ((draws >= 0) & (draws <= 1)).all() and set(draws[:100].tolist()) == {0.0, 1.0}
    assert torch.equal(draws[-100:], torch.full((100,), 0.5, dtype=torch.float64))
    alone = [rng.symmetric_beta(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    assert torch.equal(draws, torch.stack(alone))


def test_keys_of_neighbouring_seeds_streams_and_steps_are_uncorrelated():
    seeds = rng.uniform(rng.key(torch.arange(8), "order"), 4000)
    streams = torch.stack([rng.uniform(rng.key(torch.tensor(3), name), 4000) for name in "abcdefgh"])
    steps = rng.uniform(rng.fold(rng.key(torch.tensor(3), "order"), torch.arange(8)), 4000)
    for draws in (seeds, streams, steps):
        correlation = np.corrcoef(draws.numpy()) - np.eye(8)
        assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_draws_do_not_depend_on_the_other_members():
    keys = rng.key(torch.tensor([5, 9, 2]), "dropout")
    alone = rng.bits(rng.key(torch.tensor(9), "dropout"), 7)
    assert torch.equal(rng.bits(keys, 7)[1], alone)


def test_permutations_are_uniform():
    orders = rng.permutation(rng.fold(rng.key(torch.tensor(0), "order"), torch.arange(6000)), 3)
    assert torch.equal(orders.sort().values, torch.arange(3).expand(6000, 3))
    counts = np.unique(orders.numpy() @ [100, 10, 1], return_counts=True)[1]
    assert len(counts) == 6 and stats.chisquare(counts).pvalue > 1e-4
