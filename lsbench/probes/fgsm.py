"""Accuracy under the fast gradient sign method (Goodfellow, Shlens & Szegedy 2015)."""

import torch

from lsbench.probes import _attacks
from lsbench.probes._probe import Probe
from lsbench.training.trained_model import CHUNK, TrainedModel

COLUMNS = ("fgsm_accuracy", "fgsm_confidence", "fgsm_epsilon", "fgsm_rows")


def measure(subject: TrainedModel) -> dict[str, float]:
    """Accuracy and mean confidence on the attacked images, the box in pixels of [0,1], the number of rows."""
    pixels, labels = subject.sample("test", _attacks.ROWS)
    epsilon = _attacks.epsilon_for(pixels)
    parts = zip(torch.split(pixels, CHUNK), torch.split(labels, CHUNK), strict=True)
    attacked = torch.cat([_attacks.fgsm(subject.forward, *part, epsilon) for part in parts])
    accuracy, confidence = _attacks.judge(subject, attacked, labels)
    return dict(zip(COLUMNS, (accuracy, confidence, epsilon, float(len(labels))), strict=True))


PROBE = Probe(COLUMNS, measure, shown=COLUMNS[:1], note="fgsm: accuracy under one signed step.")
