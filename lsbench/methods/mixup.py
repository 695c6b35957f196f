"""Mixup (Zhang et al. 2018, arXiv:1710.09412): training on mixtures of two images and of their labels."""

from dataclasses import replace

import torch
from torch import Tensor

from lsbench import rng
from lsbench.terms import Batch, Method

LEVELS = 65536


def batch(batch: Batch, strength: Tensor, keys: Tensor, shift: int, flip: bool) -> Batch:
    """λ·image + (1 − λ)·partner; the labels of both have the same shares of the loss.

    λ is drawn from Beta(strength, strength), once for a member's whole batch, as in the authors' code (and
    torchvision's), so that published results compare. Partners are the batch in another random order. At
    strength 0 λ is 1 and every image is its own partner. λ is rounded to 1/65536, which makes mixed pixel
    values exact in float32, on every device and in any stack.
    """
    images, labels = batch.images, batch.labels
    members, rows = labels.shape
    off = strength == 0
    drawn = rng.symmetric_beta(rng.fold(keys, 0), strength)
    share = ((drawn * LEVELS).round() / LEVELS).masked_fill(off, 1).float()[:, None]
    identity = torch.arange(rows, device=labels.device)
    partner = torch.where(off[:, None], identity, rng.permutation(rng.fold(keys, 1), rows))
    flat = (partner + rows * torch.arange(members, device=labels.device)[:, None]).flatten()
    others = images.flatten(0, 1).index_select(0, flat).view_as(images)
    image_share = share[..., None, None, None]
    mixed = image_share * images + (1 - image_share) * others
    return replace(batch, images=mixed, others=((labels.gather(1, partner), 1 - share),))


METHOD = Method(knob="mixup_beta", batch=batch)
