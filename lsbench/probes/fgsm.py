"""Accuracy under the fast gradient sign method (Goodfellow, Shlens & Szegedy 2015)."""

import torch

from lsbench.probes import _attacks
from lsbench.probes._probe import Probe
from lsbench.training.device_data import EVALUATION_ROWS
from lsbench.training.trained_model import TrainedModel

COLUMNS = ("fgsm_accuracy", "fgsm_confidence", "fgsm_epsilon", "fgsm_rows")


def measure(model: TrainedModel) -> dict[str, float]:
    """Accuracy and mean confidence on the attacked images, epsilon in pixels in [0,1], and the number of
    rows."""
    pixels, labels = model.sample("test", _attacks.ROWS)
    epsilon = _attacks.epsilon_for(pixels)
    chunks = zip(torch.split(pixels, EVALUATION_ROWS), torch.split(labels, EVALUATION_ROWS), strict=True)
    attacked = torch.cat([_attacks.fgsm(model.forward, *chunk, epsilon) for chunk in chunks])
    accuracy, confidence = _attacks.evaluate(model, attacked, labels)
    return dict(zip(COLUMNS, (accuracy, confidence, epsilon, float(len(labels))), strict=True))


PROBE = Probe(COLUMNS, measure, shown=COLUMNS[:1], note="fgsm: accuracy under one signed step.")
