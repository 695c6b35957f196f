"""Adversarial attacks shared by the probes: images changed within a small L∞ box.

Pixels are in [0,1], before normalisation. An attack ascends an *objective* of the true class y:

- `cross_entropy`: log Σ_{j≠y} exp z_j − z_y. Plain cross entropy is log(1 + exp of it), an increasing
  function, so the signs of the two gradients agree exactly. But for a network that is confident enough, the
  gradient of cross entropy itself becomes inaccurate and then 0 in float32, and a network trained without
  smoothing would look robust for that reason only. The smoothed loss is never used: it has its minimum at a
  finite margin and increases beyond.
- `margin`: max_{j≠y} z_j − z_y (Carlini & Wagner 2017); above 0 the network is wrong. It does not weight
  classes by their probability, which smoothing makes nearly equal.

Smoothing is known to mask gradients, so a probe takes the worse of both for each image.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lsbench.training.device_data import EVALUATION_ROWS
from lsbench.training.trained_model import TrainedModel

Forward = Callable[[Tensor], Tensor]
Objective = Callable[[Tensor, Tensor], Tensor]

# The largest change of a pixel, by the number of channels, since it belongs to the measurement and not to a
# data set. Greyscale: a third of the value with which Madry et al. test adversarially trained networks on
# MNIST; with it accuracies are far from 0 and from 1. Colour: their value for CIFAR-10.
GREY, COLOUR = 0.1, 8 / 255
# Measured on perceptrons with and without smoothing: accuracy under 10 steps is within 0.2 points of that
# under 20, and within 0.6 of that under 60.
STEPS = 10
# Rows of the test split. An accuracy of one half then has a standard error of 1.6 points; runs with the same
# seed share that error, since they are attacked on the same images.
ROWS = 1000


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """An increasing function [B] of plain cross entropy, from logits [B,K] and labels [B]."""
    return _others(logits, labels).logsumexp(1) - _at_label(logits, labels)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest logit of a wrong class less that of the label [B], from logits [B,K] and labels [B]."""
    return _others(logits, labels).amax(1) - _at_label(logits, labels)


def _at_label(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels[:, None])[:, 0]


def _others(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.scatter(1, labels[:, None], float("-inf"))


def fgsm(forward: Forward, pixels: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """One step of the fast gradient sign method (Goodfellow, Shlens & Szegedy 2015), [B,C,H,W]."""
    gradient, _ = _gradient(forward, pixels, labels, cross_entropy)
    return (pixels + epsilon * gradient.sign()).clamp(0, 1)


def pgd(
    forward: Forward, pixels: Tensor, labels: Tensor, epsilon: float, *, start: Tensor, objective: Objective
) -> Tensor:
    """Projected gradient descent in the L∞ box (Madry et al. 2018) from ``start``, [B,C,H,W].

    The step size is 2.5·epsilon / STEPS, as they recommend. Returns for each row the image with the largest
    margin among all iterates and the original, so that no step undoes an earlier one.
    """
    low, high = (pixels - epsilon).clamp(min=0), (pixels + epsilon).clamp(max=1)
    size = 2.5 * epsilon / STEPS
    worst, largest_margin = pixels, margin(forward(pixels), labels)
    current = start.clamp(low, high)
    for _ in range(STEPS):
        gradient, logits = _gradient(forward, current, labels, objective)
        worst, largest_margin = _worse(worst, largest_margin, current, margin(logits, labels))
        current = (current + size * gradient.sign()).clamp(low, high)
    return _worse(worst, largest_margin, current, margin(forward(current), labels))[0]


def worst_of(forward: Forward, labels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """For each row the one of two images [B,C,H,W] with the larger margin."""
    return _worse(first, margin(forward(first), labels), second, margin(forward(second), labels))[0]


def _worse(
    first: Tensor, first_margin: Tensor, second: Tensor, second_margin: Tensor
) -> tuple[Tensor, Tensor]:
    """For each row the image with the larger margin, and that margin."""
    images = torch.where((second_margin > first_margin)[:, None, None, None], second, first)
    return images, torch.maximum(first_margin, second_margin)


def _gradient(
    forward: Forward, pixels: Tensor, labels: Tensor, objective: Objective
) -> tuple[Tensor, Tensor]:
    """The gradient [B,C,H,W] of each row's objective, and the logits [B,K]."""
    with torch.enable_grad():
        pixels = pixels.detach().requires_grad_()
        logits = forward(pixels)
        (gradient,) = torch.autograd.grad(objective(logits, labels).sum(), pixels)
    return gradient, logits.detach()


def epsilon_for(pixels: Tensor) -> float:
    """The largest change of a pixel for images [N,C,H,W]."""
    return GREY if pixels.shape[1] == 1 else COLOUR


def evaluate(model: TrainedModel, pixels: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy and mean confidence in the predicted class on these images."""
    logits = torch.cat([model.forward(chunk) for chunk in torch.split(pixels, EVALUATION_ROWS)]).double()
    confidence, predicted = logits.softmax(1).max(1)
    return (predicted == labels).double().mean().item(), confidence.mean().item()
