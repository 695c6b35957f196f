"""Random shifts and mirroring: padding and cropping as in He et al. 2016 on CIFAR; small shifts for
digits."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsbench import rng
from lsbench.terms import Batch, Method


def batch(batch: Batch, strength: Tensor, keys: Tensor, shift: int, flip: bool) -> Batch:
    """Shift each image by up to strength * shift pixels in each direction, drawn uniformly, and fill with
    black. The bound is rounded up, so that every strength above 0 has an effect. If the data set allows it,
    mirror each image with probability strength / 2."""
    images = batch.images
    members, rows, _, height, width = images.shape
    reach = (strength * shift - 1e-9).ceil()
    draws = rng.uniform(keys, 3 * rows).view(members, rows, 3)
    offset = (draws[..., :2] * (2 * reach + 1)[:, None, None]).long() - reach.long()[:, None, None] + shift
    if flip:
        mirrored = draws[..., 2] < strength[:, None] / 2
        images = torch.where(mirrored[..., None, None, None], images.flip(-1), images)
    padded = F.pad(images, (shift, shift, shift, shift))
    windows = padded.unfold(3, height, 1).unfold(4, width, 1)  # [M,B,C,2*shift+1,2*shift+1,H,W], a view
    member = torch.arange(members, device=images.device)[:, None]
    row = torch.arange(rows, device=images.device)[None]
    images = windows[member, row, :, offset[..., 0], offset[..., 1]]
    return replace(batch, images=images)


def idle(model: nn.Module, shift: int, flip: bool) -> str:
    """The reason why augmentation would change nothing: data that may be neither shifted nor mirrored."""
    return "" if shift or flip else "data.shift=0 and data.flip=false; set one of them"


METHOD = Method(knob="augment", batch=batch, idle=idle)
