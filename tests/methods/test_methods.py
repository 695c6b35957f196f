"""Each method against an independent computation of its definition."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from lsbench import rng
from lsbench.methods import all_methods, augment, dropout, label_noise
from lsbench.ops.dropout import KeyedDropout
from lsbench.terms import Batch

KEYS = rng.fold(rng.key(torch.arange(2), "augment"), 0)


def shifted(image, dy, dx):
    """``image`` [H,W] shifted by (dy, dx) pixels and filled with black."""
    height, width = image.shape
    moved = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - dy < height and 0 <= x - dx < width:
                moved[y, x] = image[y - dy, x - dx]
    return moved


def augmented(images, strength, shift=2, flip=False, keys=KEYS):
    batch = Batch(images, torch.zeros(images.shape[:2], dtype=torch.int64))
    return augment.batch(batch, torch.tensor(strength, dtype=torch.float64), keys, shift, flip).images


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (2, 300, 1, 7, 6)).astype(np.uint8))


def test_augmented_images_are_the_images_shifted_by_up_to_two_pixels(images):
    result = augmented(images, [1.0, 1.0])
    assert result.dtype == torch.uint8
    seen = set()
    for image, moved in zip(images[0, :, 0].numpy(), result[0, :, 0].numpy(), strict=True):
        fits = [
            (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (shifted(image, dy, dx) == moved).all()
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) == 25


def test_shifts_are_uniform():
    """An image with a single white pixel shows its shift."""
    images = torch.zeros(1, 10000, 1, 9, 9, dtype=torch.uint8)
    images[..., 4, 4] = 255
    positions = augmented(images, [1.0], keys=KEYS[:1]).flatten(2).argmax(-1).flatten().numpy()
    counts = np.unique(positions, return_counts=True)[1]
    assert len(counts) == 25 and stats.chisquare(counts).pvalue > 1e-4


def test_each_member_has_its_own_strength_and_0_changes_nothing(images):
    result = augmented(images, [0.0, 0.5])
    assert torch.equal(result[0], images[0])
    for image, moved in zip(images[1, :, 0].numpy(), result[1, :, 0].numpy(), strict=True):
        assert any((shifted(image, dy, dx) == moved).all() for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def test_half_of_the_images_are_mirrored_at_strength_1_and_none_at_0(images):
    mirrored = (augmented(images, [1.0, 0.0], shift=0, flip=True) == images.flip(-1)).all((2, 3, 4))
    assert stats.binomtest(int(mirrored[0].sum()), 300, 0.5).pvalue > 1e-4
    assert not mirrored[1].any()


def test_augmentation_differs_by_step_and_not_by_stack(images):
    other_step = rng.fold(rng.key(torch.arange(2), "augment"), 1)
    assert not torch.equal(augmented(images, [1.0, 1.0]), augmented(images, [1.0, 1.0], keys=other_step))
    alone = augmented(images[1:], [1.0], keys=KEYS[1:])
    assert torch.equal(augmented(images, [1.0, 1.0])[1], alone[0])


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.6, 1.0])
def test_label_noise_changes_an_exact_fraction_to_other_classes(rate):
    labels = torch.arange(1000) % 7
    noisy = label_noise.labels(labels, rate, 7, rng.key(torch.tensor(1), "label_noise"))
    assert int((noisy != labels).sum()) == round(rate * 1000)
    assert set(noisy.tolist()) == set(range(7))


def test_noisy_labels_are_uniform_over_the_other_classes():
    labels = torch.full((12000,), 2)
    noisy = label_noise.labels(labels, 1.0, 5, rng.key(torch.tensor(1), "label_noise"))
    counts = np.bincount(noisy, minlength=5)
    assert counts[2] == 0 and stats.chisquare(counts[[0, 1, 3, 4]]).pvalue > 1e-4


def test_labels_noisy_at_a_low_rate_are_noisy_at_a_higher_rate():
    labels, key = torch.arange(1000) % 7, rng.key(torch.tensor(1), "label_noise")
    low, high = (label_noise.labels(labels, rate, 7, key) for rate in (0.2, 0.4))
    changed = low != labels
    assert torch.equal(low[changed], high[changed])


def dropped(probability, shape=(64, 500), key=0):
    layer = KeyedDropout()
    layer.active = True
    layer.probability, layer.key = torch.tensor(probability), rng.key(torch.tensor(key), "dropout")
    return layer(torch.ones(shape, dtype=torch.float64))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_zeroes_the_given_fraction_and_preserves_the_mean(probability):
    out = dropped(probability)
    zeros = int((out == 0).sum())
    assert stats.binomtest(zeros, out.numel(), probability).pvalue > 1e-4
    assert torch.allclose(out[out > 0], torch.tensor(1 / (1 - probability), dtype=torch.float64), rtol=1e-6)


def test_dropout_at_0_returns_its_input_bit_for_bit():
    assert torch.equal(dropped(0.0), torch.ones(64, 500, dtype=torch.float64))


def test_dropout_masks_depend_on_the_key_and_eval_mode_has_none():
    assert torch.equal(dropped(0.5), dropped(0.5)) and not torch.equal(dropped(0.5), dropped(0.5, key=1))
    layer = KeyedDropout()
    assert torch.equal(layer(torch.ones(3)), torch.ones(3))
    layer.active, layer.probability = True, torch.tensor(0.9)
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


def test_each_dropout_layer_of_a_model_has_its_own_key():
    model = nn.Sequential(KeyedDropout(), nn.Linear(2, 2), KeyedDropout())
    values = dropout.layers(model, torch.tensor([0.5, 0.0]), KEYS)
    assert set(values) == {"0.probability", "0.key", "2.probability", "2.key"}
    assert not (values["0.key"] == values["2.key"]).any()
    assert {name for name, _ in model.named_buffers()} == set(values)


def test_methods_are_registered_by_file():
    names = "augment confidence_penalty distillation dropout focal label_noise mixup weight_decay".split()
    assert list(all_methods()) == names
    assert len({method.knob for method in all_methods().values()}) == len(names)


@pytest.mark.parametrize(
    ("method", "shift", "flip", "words"),
    [
        ("dropout", 2, True, "no lsbench.ops.dropout.KeyedDropout"),
        ("augment", 0, False, "data.shift=0 and data.flip=false"),
        ("augment", 0, True, ""),
        ("augment", 1, False, ""),
    ],
)
def test_a_method_says_why_it_would_change_nothing(method, shift, flip, words):
    reason = all_methods()[method].idle(torch.nn.Linear(2, 2), shift, flip)
    assert words in reason and bool(reason) == bool(words)
    assert all_methods()["dropout"].idle(torch.nn.Sequential(KeyedDropout()), 0, False) == ""
