"""Mixup against torchvision's, given the same λ and partners, and against scipy's Beta."""

from types import SimpleNamespace

import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from lsbench import rng
from lsbench.methods import mixup
from lsbench.terms import Batch

MEMBERS, ROWS, CLASSES = 3, 40, 5
KEYS = rng.fold(rng.key(torch.arange(MEMBERS), "mixup"), 7)
BETAS = torch.tensor([1.0, 0.0, 0.3], dtype=torch.float64)


def draw(members=MEMBERS, rows=ROWS):
    g = torch.Generator().manual_seed(1)
    images = torch.randint(256, (members, rows, 2, 5, 4), generator=g, dtype=torch.uint8)
    return Batch(images, torch.randint(CLASSES, (members, rows), generator=g))


def partners(mixed, images, share):
    """For each row the index [B] of the row that was mixed into it, identified by its pixels."""
    rest = (mixed.double() - share * images.double()) / (1 - share)
    distance = torch.cdist(rest.flatten(1), images.double().flatten(1))
    assert distance.min(1).values.max() < 0.1
    return distance.argmin(1)


def test_images_and_labels_equal_torchvisions_mixup():
    batch = draw()
    mixed = mixup.batch(batch, BETAS, KEYS, 0, False)
    [(others, shares)] = mixed.others
    for member in (0, 2):
        images, labels = batch.images[member], batch.labels[member]
        share = 1 - shares[member].double().item()
        partner = partners(mixed.images[member], images, share)
        assert sorted(partner.tolist()) == list(range(ROWS)), "each row is a partner once"
        pairs = torch.stack(
            [partner, torch.arange(ROWS)], dim=1
        ).flatten()  # torchvision mixes in the previous row
        reference = v2.MixUp(num_classes=CLASSES)
        reference._dist = SimpleNamespace(sample=lambda shape, share=share: share)
        pixels, soft = reference(images[pairs].double(), labels[pairs])
        assert torch.equal(pixels[1::2], mixed.images[member].double()), "exact in float32"
        one_hot = torch.nn.functional.one_hot
        ours = share * one_hot(labels, CLASSES) + (1 - share) * one_hot(others[member], CLASSES)
        torch.testing.assert_close(soft[1::2], ours.float(), rtol=0, atol=1e-7)


def test_strength_0_leaves_images_and_labels_unchanged():
    batch = draw()
    mixed = mixup.batch(batch, BETAS, KEYS, 0, False)
    [(others, shares)] = mixed.others
    assert torch.equal(mixed.images[1], batch.images[1].float())
    assert torch.equal(others[1], batch.labels[1]) and shares[1] == 0
    assert torch.equal(mixed.labels, batch.labels) and (shares[[0, 2]] > 0).all()


@pytest.mark.parametrize("beta", [0.3, 1.0, 8.0])
def test_shares_have_a_beta_distribution_over_steps(beta):
    keys = rng.fold(rng.key(torch.tensor(5), "mixup"), torch.arange(3000))
    strength = torch.full((3000,), beta, dtype=torch.float64)
    [(_, shares)] = mixup.batch(draw(3000, 2), strength, keys, 0, False).others
    assert shares.shape == (3000, 1), "one for a batch"
    levels = shares.double() * 65536
    assert torch.equal(levels, levels.round())
    inner = shares[(shares > 1e-3) & (shares < 1 - 1e-3)].numpy()
    low, high = stats.beta.cdf([1e-3, 1 - 1e-3], beta, beta)
    assert stats.binomtest(len(inner), 3000, high - low).pvalue > 1e-4
    assert stats.kstest(inner, lambda x: (stats.beta.cdf(x, beta, beta) - low) / (high - low)).pvalue > 1e-4


def test_mixtures_differ_by_step_and_not_by_stack():
    batch = draw()
    mixed = mixup.batch(batch, BETAS, KEYS, 0, False)
    other_step = mixup.batch(batch, BETAS, rng.fold(KEYS, 1), 0, False)
    assert not torch.equal(mixed.images[0], other_step.images[0])
    alone = mixup.batch(Batch(batch.images[2:], batch.labels[2:]), BETAS[2:], KEYS[2:], 0, False)
    assert torch.equal(alone.images[0], mixed.images[2])
    for ours, stacked in zip(alone.others[0], mixed.others[0], strict=True):
        assert torch.equal(ours[0], stacked[2])


def test_a_single_row_is_its_own_partner():
    batch = draw(rows=1)
    mixed = mixup.batch(batch, BETAS, KEYS, 0, False)
    assert torch.equal(mixed.images, batch.images.float()) and torch.equal(mixed.others[0][0], batch.labels)
