"""A run's test predictions in bins of confidence, before and after temperature scaling: reliability.csv.

One row a bin, the 15 of equal width that the ECE has (metrics/_bins.py): its edges ``lower`` and ``upper``,
how many predictions fall into it (``n``), the sum of their ``confidence`` and how many are ``correct``; the
same with ``_ts`` after scaling. Sums, not means, so that the bins of several runs add up.
"""

import torch
from torch import Tensor

from lsbench.calibration.bins import BINS, equal_width, predictions
from lsbench.calibration.temperature import Temperature, rescale

COLUMNS = ("lower", "upper", "n", "confidence", "correct", "n_ts", "confidence_ts", "correct_ts")


def tables(logits: Tensor, labels: Tensor, temperature: Temperature) -> list[tuple[dict[str, float], ...]]:
    """For each member the rows of its table, from ``logits`` [M,N,K] and ``labels`` int64 [M,N] or [N]."""
    sums: list[Tensor] = []
    for seen in (logits.double(), rescale(logits, temperature)):
        bins = equal_width(*predictions(seen.softmax(-1), labels))
        sums += [bins.count, bins.confidence, bins.correct]
    members = torch.stack(sums, dim=-1).tolist()  # [M,BINS,6]
    return [tuple(_row(place, values) for place, values in enumerate(member)) for member in members]


def _row(place: int, values: list[float]) -> dict[str, float]:
    edges = [place / BINS, (place + 1) / BINS]
    n, confidence, correct, n_ts, confidence_ts, correct_ts = values
    counted = [int(n), confidence, int(correct), int(n_ts), confidence_ts, int(correct_ts)]
    return dict(zip(COLUMNS, [*edges, *counted], strict=True))
