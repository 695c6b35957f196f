"""Mixup (Zhang et al. 2018, arXiv:1710.09412): trains on mixtures of two images and of labels."""

from dataclasses import replace

import torch
from torch import Tensor

from lsbench import rng
from lsbench.terms import Batch, Method

LEVELS = 65536


def batch(batch: Batch, strength: Tensor, keys: Tensor, shift: int, flip: bool) -> Batch:
    """λ·image + (1 − λ)·partner, whose labels have the same shares of the loss. λ is from Beta(strength,
    strength), one for a member's whole batch, as in the authors' code (and torchvision's), so that what was
    published compares; partners are the batch in another random order. A member at strength 0 has λ = 1, and
    is its own partner.

    λ is rounded to 1/65536: then mixed pixel values are exact in float32, on every device and in any company.
    """
    images, labels = batch.images, batch.labels
    members, rows = labels.shape
    off = strength == 0
    drawn = rng.symmetric_beta(rng.fold(keys, 0), strength)
    own = ((drawn * LEVELS).round() / LEVELS).masked_fill(off, 1).float()[:, None]
    place = torch.arange(rows, device=labels.device)
    partner = torch.where(off[:, None], place, rng.permutation(rng.fold(keys, 1), rows))
    flat = (partner + rows * torch.arange(members, device=labels.device)[:, None]).flatten()
    others = images.flatten(0, 1).index_select(0, flat).view_as(images)
    share = own[..., None, None, None]
    mixed = share * images + (1 - share) * others
    return replace(batch, images=mixed, others=((labels.gather(1, partner), 1 - own),))


METHOD = Method(knob="mixup_beta", batch=batch)
