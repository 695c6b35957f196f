"""Reliability tables: a run's test predictions in bins of confidence, before and after temperature scaling.

reliability.csv has one row per bin, the 15 of equal width of the ECE (bins.py): its edges ``lower`` and
``upper``, the number of its predictions (``n``), the sum of their ``confidence`` and the number that are
``correct``; the same with ``_ts`` after scaling. They are sums, so the bins of several runs can be added.
"""

import torch
from torch import Tensor

from lsbench.calibration.bins import equal_width_bins, top_confidence
from lsbench.calibration.temperature import Temperature, rescale
from lsbench.terms import BINS

COLUMNS = ("lower", "upper", "n", "confidence", "correct", "n_ts", "confidence_ts", "correct_ts")


def tables(logits: Tensor, labels: Tensor, temperature: Temperature) -> list[tuple[dict[str, float], ...]]:
    """The rows of each member's table, from ``logits`` [M,N,K] and ``labels`` int64 [M,N] or [N]."""
    sums: list[Tensor] = []
    for scaled in (logits.double(), rescale(logits, temperature)):
        bins = equal_width_bins(*top_confidence(scaled.softmax(-1), labels))
        sums += [bins.count, bins.confidence, bins.correct]
    members = torch.stack(sums, dim=-1).tolist()  # [M,BINS,6]
    return [tuple(_row(index, values) for index, values in enumerate(member)) for member in members]


def _row(index: int, values: list[float]) -> dict[str, float]:
    edges = [index / BINS, (index + 1) / BINS]
    n, confidence, correct, n_ts, confidence_ts, correct_ts = values
    counted = [int(n), confidence, int(correct), int(n_ts), confidence_ts, int(correct_ts)]
    return dict(zip(COLUMNS, [*edges, *counted], strict=True))
