"""Accuracy under projected gradient descent (Madry et al. 2018) on the cross entropy and on the margin
(Carlini & Wagner 2017), and under the worse of the two for each image."""

from functools import partial

import torch
from torch import Tensor

from lsbench import rng
from lsbench.probes import _attacks
from lsbench.probes._probe import Probe
from lsbench.training.device_data import EVALUATION_ROWS
from lsbench.training.trained_model import TrainedModel

COLUMNS = tuple(
    "pgd_accuracy pgd_confidence pgd_ce_accuracy pgd_margin_accuracy pgd_epsilon pgd_rows".split()
)


def measure(model: TrainedModel) -> dict[str, float]:
    """Accuracy and mean confidence on the worse of the two attacked images, accuracy under each attack,
    epsilon in pixels in [0,1], and the number of rows."""
    pixels, labels = model.sample("test", _attacks.ROWS)
    epsilon = _attacks.epsilon_for(pixels)
    starts = _starts(model, pixels, epsilon)
    attacked: dict[str, list[Tensor]] = {"ce": [], "margin": [], "worst": []}
    chunks = (torch.split(tensor, EVALUATION_ROWS) for tensor in (pixels, labels, starts))
    for chunk in zip(*chunks, strict=True):
        for name, images in _attack(model, epsilon, *chunk).items():
            attacked[name].append(images)
    results = {name: _attacks.evaluate(model, torch.cat(images), labels) for name, images in attacked.items()}
    accuracies = (results["ce"][0], results["margin"][0])
    return dict(zip(COLUMNS, (*results["worst"], *accuracies, epsilon, float(len(labels))), strict=True))


def _attack(
    model: TrainedModel, epsilon: float, pixels: Tensor, labels: Tensor, start: Tensor
) -> dict[str, Tensor]:
    ascend = partial(_attacks.pgd, model.forward, pixels, labels, epsilon, start=start)
    ce, margin = ascend(objective=_attacks.cross_entropy), ascend(objective=_attacks.margin)
    return {"ce": ce, "margin": margin, "worst": _attacks.worst_of(model.forward, labels, ce, margin)}


def _starts(model: TrainedModel, pixels: Tensor, epsilon: float) -> Tensor:
    """A point in the box around each image, drawn uniformly from the run's seed and the index of the row."""
    rows = torch.arange(len(pixels), device=pixels.device)
    keys = rng.fold(rng.key(torch.tensor(model.seed, device=pixels.device), "pgd"), rows)
    draws = torch.cat([rng.uniform(chunk, pixels[0].numel()) for chunk in torch.split(keys, EVALUATION_ROWS)])
    return pixels + epsilon * (2 * draws.view(pixels.shape) - 1).to(pixels.dtype)


PROBE = Probe(COLUMNS, measure, shown=COLUMNS[:1], note=f"pgd: accuracy under {_attacks.STEPS} steps, twice.")
