"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599): one temperature per member.

A member's logits are divided by the T that minimises its NLL on the calibrate split. The NLL is convex in
1/T, so the sign of its derivative brackets the minimum. A search over T itself, as in well-known packages,
diverges or turns negative where smoothed models need it: at T well below 1.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOWEST, HIGHEST = 1e-3, 1e4
_STEPS = 100  # a bound of the loop; it takes 4 to 15
_TOLERANCE = 1e-12


class Temperature(NamedTuple):
    """``value`` float64 [M], and for each member a ``flag``: "" where the value is the minimiser of the NLL.

    If no temperature minimises it, the value is 1, so that the logits stay unchanged, and the flag says why.
    "separable": the NLL still falls at T = 0.001, because the label of every row, or nearly every row, has
    the largest logit already. The bound would not be a safer value: one wrong row of the test split would
    then cost 1,000 times its margin. "uninformative": the NLL still falls at T = 10,000, because the logits
    are constant, no better than chance, or not finite.
    """

    value: Tensor
    flag: list[str]


def fit_temperature(logits: Tensor, labels: Tensor) -> Temperature:
    """The temperature of each member from its ``logits`` [M,N,K] and ``labels`` int64 [M,N] or [N].

    Newton's method on s = log(1/T) in float64, kept inside a bracket that every step narrows: a step that
    leaves the bracket, or is not shorter than half the last one, is replaced by bisection.
    Raises ValueError if the shapes do not match.
    """
    if logits.ndim != 3 or labels.shape not in (logits.shape[:2], logits.shape[1:2]):
        shapes = f"{list(logits.shape)} and {list(labels.shape)}"
        raise ValueError(f"logits and labels: {shapes}, expected [M,N,K] and [M,N] or [N]")
    logits = logits.detach().double()
    margins = logits - logits.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1))

    low = logits.new_full((logits.shape[0],), -math.log(HIGHEST))
    high = torch.full_like(low, -math.log(LOWEST))
    informative = _derivatives(margins, low)[0] < 0  # False for NaN too
    separable = informative & ~(_derivatives(margins, high)[0] > 0)
    fitted = informative & ~separable

    s = torch.where(fitted, _minimise(margins, low, high, ~fitted), 0.0)
    flags = torch.where(informative, separable.long(), 2).tolist()
    return Temperature((-s).exp(), [("", "separable", "uninformative")[flag] for flag in flags])


def rescale(logits: Tensor, temperature: Temperature) -> Tensor:
    """``logits`` [M,N,K] divided by their member's temperature, in float64."""
    return logits.double() / temperature.value[:, None, None]


def _minimise(margins: Tensor, low: Tensor, high: Tensor, done: Tensor) -> Tensor:
    """The root [M] in s of the NLL's derivative, which is below 0 at ``low`` [M] and above 0 at ``high`` [M].

    A member that is ``done``, bool [M], no longer changes, so its result does not depend on the others.
    """
    s = torch.zeros_like(low)
    last = high - low
    for _ in range(_STEPS):
        derivative, second = _derivatives(margins, s)
        low, high = torch.where(derivative < 0, s, low), torch.where(derivative < 0, high, s)
        newton = -derivative / second
        trusted = (low <= s + newton) & (s + newton <= high) & (newton.abs() <= last.abs() / 2)
        last = torch.where(trusted, newton, (low + high) / 2 - s)
        s = torch.where(done, s, s + last)
        done = done | (last.abs() <= _TOLERANCE)
        if done.all():
            break
    return s


def _derivatives(margins: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """The NLL's derivative with respect to b = e^s = 1/T, [M], and that derivative's own with respect to s,
    [M].

    ``margins`` [M,N,K] are z_k − z_label. With them instead of z, a row whose label has the largest logit
    never adds more than 0, despite rounding, so a separable split is recognised at every temperature.
    """
    b = s.exp()
    probs = (margins * b[:, None, None]).softmax(-1)
    mean = (probs * margins).sum(-1)
    variance = (probs * (margins - mean.unsqueeze(-1)).square()).sum(-1)
    return mean.mean(-1), b * variance.mean(-1)
