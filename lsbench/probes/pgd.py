"""Accuracy under projected gradient descent (Madry et al. 2018), once up the cross entropy and once up the
margin (Carlini & Wagner 2017), and for each image under the worse of the two."""

from functools import partial

import torch
from torch import Tensor

from lsbench import rng
from lsbench.probes import _attacks
from lsbench.probes._probe import Probe
from lsbench.training.trained_model import CHUNK, TrainedModel

COLUMNS = tuple(
    "pgd_accuracy pgd_confidence pgd_ce_accuracy pgd_margin_accuracy pgd_epsilon pgd_rows".split()
)


def measure(subject: TrainedModel) -> dict[str, float]:
    """Accuracy and mean confidence on the worse of two attacked images, accuracy under each attack, the box
    in pixels of [0,1], the number of rows."""
    pixels, labels = subject.sample("test", _attacks.ROWS)
    epsilon = _attacks.epsilon_for(pixels)
    starts = _starts(subject, pixels, epsilon)
    attacked: dict[str, list[Tensor]] = {"ce": [], "margin": [], "worst": []}
    for part in zip(*(torch.split(tensor, CHUNK) for tensor in (pixels, labels, starts)), strict=True):
        for name, images in _attack(subject, epsilon, *part).items():
            attacked[name].append(images)
    under = {name: _attacks.judge(subject, torch.cat(images), labels) for name, images in attacked.items()}
    accuracies = (under["ce"][0], under["margin"][0])
    return dict(zip(COLUMNS, (*under["worst"], *accuracies, epsilon, float(len(labels))), strict=True))


def _attack(
    subject: TrainedModel, epsilon: float, pixels: Tensor, labels: Tensor, start: Tensor
) -> dict[str, Tensor]:
    ascend = partial(_attacks.pgd, subject.forward, pixels, labels, epsilon, start=start)
    ce, margin = ascend(objective=_attacks.cross_entropy), ascend(objective=_attacks.margin)
    return {"ce": ce, "margin": margin, "worst": _attacks.worst_of(subject.forward, labels, ce, margin)}


def _starts(subject: TrainedModel, pixels: Tensor, epsilon: float) -> Tensor:
    """A place in the box of each image, drawn uniformly from the run's seed and the row's place."""
    rows = torch.arange(len(pixels), device=pixels.device)
    keys = rng.fold(rng.key(torch.tensor(subject.seed, device=pixels.device), "pgd"), rows)
    draws = torch.cat([rng.uniform(part, pixels[0].numel()) for part in torch.split(keys, CHUNK)])
    return pixels + epsilon * (2 * draws.view(pixels.shape) - 1).to(pixels.dtype)


PROBE = Probe(COLUMNS, measure, shown=COLUMNS[:1], note=f"pgd: accuracy under {_attacks.STEPS} steps, twice.")
