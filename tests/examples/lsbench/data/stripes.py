"""Noisy greyscale images of stripes; the class is their direction. Nothing is read or downloaded."""

import numpy as np

from lsbench.terms import Splits

ROWS, SIZE, CLASSES = 1200, 12, 4
PERIOD = 4.0  # pixels from one stripe to the next


def load(root: str | None, noise: float = 100.0) -> Splits:
    """uint8 [1200,1,12,12] in 4 classes, 0 to 135 degrees, with Gaussian noise of deviation ``noise``.

    The images are drawn from a fixed seed, so every call returns the same; ``root`` is not used.
    """
    random = np.random.default_rng(0)
    labels = np.arange(ROWS) % CLASSES
    angle = np.pi * labels / CLASSES
    phase = random.uniform(0, 2 * np.pi, ROWS)
    y, x = np.mgrid[:SIZE, :SIZE]
    distance = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    clean = 128 + 80 * np.sin(2 * np.pi * distance / PERIOD + phase[:, None, None])
    images = np.clip(clean + random.normal(0, noise, clean.shape), 0, 255).astype(np.uint8)
    names = tuple(f"{180 * index // CLASSES} degrees" for index in range(CLASSES))
    return Splits(images[:, None], labels.astype(np.int64), None, None, names)
