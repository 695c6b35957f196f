"""Images changed within a small box so that a network errs: what the adversarial probes share.

All of it in pixels in [0,1], before normalisation. An attack ascends an *objective* of the true class y:

- `cross_entropy`: log Σ_{j≠y} exp z_j − z_y. Plain cross entropy is log(1 + exp of it), an increasing
  function, so the signs of the two gradients agree exactly; but in float32 the gradient of cross entropy
  itself goes wrong and then is 0 where a network is sure enough, and one trained without smoothing would look
  robust for that alone. Never the smoothed loss: it asks for a finite margin, and turns round beyond it.
- `margin`: max_{j≠y} z_j − z_y (Carlini & Wagner 2017): above 0 the network errs. It does not weigh classes
  by their probability, which smoothing makes nearly equal.

Smoothing is known to mask gradients, so a probe takes for each image the worse of both.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lsbench.training.trained_model import CHUNK, TrainedModel

Forward = Callable[[Tensor], Tensor]
Objective = Callable[[Tensor, Tensor], Tensor]

# How far each pixel may move either way, by the number of channels, since it belongs to the measurement and
# not to a data set: greyscale images a third of what Madry et al. allow networks trained to resist, on
# MNIST, at which accuracies are far from 0 and from 1; colour images as they have CIFAR-10.
GREY, COLOUR = 0.1, 8 / 255
# Measured on perceptrons with and without smoothing: accuracy under 10 steps is within 0.2 points of that
# under 20, and within 0.6 of that under 60.
STEPS = 10
# Of the test split: an accuracy of one half then has a standard error of 1.6 points, which runs of one seed
# share, since they are attacked on the same images.
ROWS = 1000


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """[B] from logits [B,K] and labels [B]; increasing in plain cross entropy."""
    return _others(logits, labels).logsumexp(1) - _own(logits, labels)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """[B] from logits [B,K] and labels [B]: how far the best wrong class is ahead."""
    return _others(logits, labels).amax(1) - _own(logits, labels)


def _own(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels[:, None])[:, 0]


def _others(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.scatter(1, labels[:, None], float("-inf"))


def fgsm(forward: Forward, pixels: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """One step of the fast gradient sign method (Goodfellow, Shlens & Szegedy 2015), [B,C,H,W]."""
    gradient, _ = _gradient(forward, pixels, labels, cross_entropy)
    return (pixels + epsilon * gradient.sign()).clamp(0, 1)


def pgd(
    forward: Forward,
    pixels: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    start: Tensor,
    objective: Objective,
    steps: int = STEPS,
) -> Tensor:
    """Projected gradient descent in the L∞ box (Madry et al. 2018) from ``start``, [B,C,H,W].

    Each step is 2.5·epsilon over their number, as they advise. Of the images on the way, the given one among
    them, each row's answer is the one with the largest margin, so that no step undoes what another reached.
    """
    low, high = (pixels - epsilon).clamp(min=0), (pixels + epsilon).clamp(max=1)
    size = 2.5 * epsilon / steps
    worst, ahead = pixels, margin(forward(pixels), labels)
    current = start.clamp(low, high)
    for _ in range(steps):
        gradient, logits = _gradient(forward, current, labels, objective)
        worst, ahead = _worse(worst, ahead, current, margin(logits, labels))
        current = (current + size * gradient.sign()).clamp(low, high)
    return _worse(worst, ahead, current, margin(forward(current), labels))[0]


def worst_of(forward: Forward, labels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """For each row the image [C,H,W] on which the network is further from its label."""
    ahead = margin(forward(first), labels)
    return _worse(first, ahead, second, margin(forward(second), labels))[0]


def _worse(first: Tensor, ahead: Tensor, second: Tensor, then: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where((then > ahead)[:, None, None, None], second, first), torch.maximum(ahead, then)


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
    """How far the pixels of images [N,C,H,W] may move."""
    return GREY if pixels.shape[1] == 1 else COLOUR


def judge(subject: TrainedModel, pixels: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy, and mean confidence in whatever class is predicted, on these images."""
    logits = torch.cat([subject.forward(part) for part in torch.split(pixels, CHUNK)]).double()
    confidence, predicted = logits.softmax(1).max(1)
    return (predicted == labels).double().mean().item(), confidence.mean().item()
