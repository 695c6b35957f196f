"""Random numbers as a pure function of (seed, stream, position).

SplitMix64 (Steele, Lea & Flood 2014) in integer arithmetic on tensors. There is no shared generator, so the
bits are the same on every device, for any number of members and in any order. A key is an int64 that
identifies a position, such as "seed 3, dropout, epoch 2, step 17"; `bits` returns any number of random words
for a key.
"""

from hashlib import sha256

import torch
from torch import Tensor

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15, the golden ratio in 64 bits, as int64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser, int64 to int64. ``>>`` copies the sign on int64, so the masks clear it."""
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * _MIX_1
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * _MIX_2
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


def bits(keys: Tensor, n: int) -> Tensor:
    """The first ``n`` words for each of ``keys`` [...]: int64 [..., n], all bits random."""
    counters = torch.arange(1, n + 1, device=keys.device) * _GAMMA
    return mix(keys[..., None] + counters)


def uniform(keys: Tensor, n: int) -> Tensor:
    """``n`` numbers in [0, 1) with 53 random bits for each key: float64 [..., n]."""
    return ((bits(keys, n) >> 11) & 0x1FFFFFFFFFFFFF).double() * 2.0**-53


def symmetric_beta(keys: Tensor, shape: Tensor) -> Tensor:
    """A number from Beta(shape, shape) for each key [...], with ``shape`` [...] above 0: float64 [...].

    It takes two uniforms and no rejection, so the number of draws is fixed: Bailey's polar method (1994,
    Math. Comp. 62:779) gives T from Student's t with 2·shape degrees of freedom, and (1 + T/√(2·shape +
    T²))/2 is Beta(shape, shape) (Devroye 1996). Unlike the functions above, it is equal on all devices only
    up to rounding.
    """
    u, v = uniform(keys, 2).unbind(-1)
    cosine = torch.cos(2 * torch.pi * v)
    w = torch.expm1(-u.log() / shape) * cosine**2  # T²/(2·shape)
    smaller = 0.5 / (1 + w + (w * (1 + w)).sqrt())  # the distance to the nearer end, without cancellation
    return torch.where(cosine < 0, smaller, 1 - smaller)


def fold(keys: Tensor, position: Tensor | int) -> Tensor:
    """Keys of a position within those of ``keys``: a step in an epoch, a layer in a step. Broadcasts."""
    if isinstance(position, int):  # filled on the device: copying it there would synchronise a GPU
        position = torch.full((), position, device=keys.device)
    return mix(keys ^ mix((position + 1) * _GAMMA))


def key(seeds: Tensor, stream: str) -> Tensor:
    """The root keys of one stream for int64 ``seeds`` [...].

    ``stream`` is any name: split, init, order, or a method's. Streams are independent, so using one never
    changes the draws of another.
    """
    return fold(mix(seeds * _GAMMA), int.from_bytes(sha256(stream.encode()).digest()[:4]))


def permutation(keys: Tensor, n: int) -> Tensor:
    """A random permutation of ``n`` items for each key [...]: int64 [..., n], by a stable sort of random
    words."""
    return torch.sort(bits(keys, n), dim=-1, stable=True).indices
