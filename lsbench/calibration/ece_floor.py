"""The noise floor of a measured ECE: the mean ECE of a perfectly calibrated model with the same confidences.

If each row is correct with the probability of its confidence c, the number S of correct rows in a bin is a
sum of independent Bernoulli(c), and the bin adds |S − μ|/N to the ECE, where μ = Σ c. The bins depend on the
confidences alone, so the mean ECE is the sum of E|S − μ|/N, exactly and without drawing labels.

E|S − μ| comes from the characteristic function φ(t) = Π (1 − c + c·e^it), as the exact distribution of such a
sum does (Hong 2013, Computational Statistics & Data Analysis 59), but modulo a window of 2H whole numbers
around μ instead of all n + 1. With t = πj/H, m the first whole number from μ on and d = m − μ, the Fourier
series of |s − μ| over the window is in closed form, and its even terms vanish:

    E|S − μ| = H/2 + 1/H · Σ_{j odd, 0 < j ≤ H} Re[φ(t)·e^(−imt)·(2d·(1 − i·cot(t/2)) − 1/sin²(t/2))]

(half of the last term, where j = H). S leaves the window with a probability below 1e-7 (Bernstein), and
|φ(t)| ≤ exp(−σ²(1 − cos t)) leaves less than 1e-7 beyond `LAST`, whatever the number of rows: 10,000 take
3 ms.
"""

import math

import torch
from torch import Tensor

from lsbench.calibration.bins import bin_index
from lsbench.terms import BINS

LAST = 27  # the highest frequency: all of them up to σ = 2.8, and enough of them above


def ece_floor(logits: Tensor) -> Tensor:
    """The noise floor of ECE, float64 [M], of ``logits`` [M,N,K]; it needs no labels."""
    return expected_ece(logits.detach().double().softmax(-1).amax(-1))


def expected_ece(confidence: Tensor) -> Tensor:
    """The mean ECE [...] of ``confidence`` float64 [...,N] if rows are correct with these probabilities."""
    index = bin_index(confidence)
    empty = confidence.new_zeros((*confidence.shape[:-1], BINS))
    mean = empty.scatter_add(-1, index, confidence)
    deviation = empty.scatter_add(-1, index, confidence * (1 - confidence)).clamp(min=0).sqrt()
    half = (6 * deviation).ceil() + 10  # 10 more for the tail of rare events
    first = mean.ceil()
    above = first - mean
    total = half / 2
    for j in range(1, LAST + 1, 2):
        t = math.pi * j / half
        size, angle = _characteristic(confidence, index, t)
        angle = angle - t * first
        even = 2 * above - (t / 2).sin().square().reciprocal()
        odd = 2 * above / (t / 2).tan()
        weight = ((half - j).sign() + 1) / 2 / half  # 1 below H, 1/2 at j = H, 0 above
        total = total + weight * size * (angle.cos() * even + angle.sin() * odd)
    return total.sum(-1).clamp(min=0) / confidence.shape[-1]


def _characteristic(confidence: Tensor, index: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Modulus and argument [...,BINS] of Π (1 − c + c·e^it) over the rows of each bin, ``t`` [...,BINS]."""
    cos, sin = t.cos().gather(-1, index), t.sin().gather(-1, index)
    logs = torch.log1p(-2 * confidence * (1 - confidence) * (1 - cos)) / 2
    angles = torch.atan2(confidence * sin, 1 - confidence + confidence * cos)
    empty = torch.zeros_like(t)
    return empty.scatter_add(-1, index, logs).exp(), empty.scatter_add(-1, index, angles)
