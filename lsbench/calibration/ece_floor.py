"""What ECE a perfectly calibrated model with these confidences would show: the noise floor of a measured one.

Were each row right with the probability of its confidence c, the number S of right rows in a bin would be a
sum of independent Bernoulli(c), and the bin would add |S − μ|/N to the ECE, where μ = Σ c. The confidences
alone say which row is in which bin, so the mean ECE is the sum of E|S − μ|/N: nothing need be drawn.

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

from lsbench.calibration.bins import BINS, place

LAST = 27  # the highest frequency: all there are up to σ = 2.8, and enough above


def expected_ece(confidence: Tensor) -> Tensor:
    """The mean ECE [...] that ``confidence`` float64 [...,N] would have with labels drawn by it."""
    index = place(confidence)
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
        weight = ((half - j).sign() + 1) / 2 / half  # 1, for j = H a half, beyond it 0
        total = total + weight * size * (angle.cos() * even + angle.sin() * odd)
    return total.sum(-1).clamp(min=0) / confidence.shape[-1]


def _characteristic(confidence: Tensor, index: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Size and angle [...,BINS] of Π (1 − c + c·e^it) over the rows of each bin, ``t`` [...,BINS]."""
    cos, sin = t.cos().gather(-1, index), t.sin().gather(-1, index)
    logs = torch.log1p(-2 * confidence * (1 - confidence) * (1 - cos)) / 2
    angles = torch.atan2(confidence * sin, 1 - confidence + confidence * cos)
    empty = torch.zeros_like(t)
    return empty.scatter_add(-1, index, logs).exp(), empty.scatter_add(-1, index, angles)
