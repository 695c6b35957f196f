"""Contributions of single test rows to a run's metrics, from its stored predictions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsbench.analysis.crossed import CrossedVariance, crossed_variance
from lsbench.store.runs import DamagedRunError, run_dir
from lsbench.terms import BINS, DONE

if TYPE_CHECKING:
    import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]

RUNS_IN_MEMORY = 200
MOST_ROWS = 10**8  # of a data set: its images are held in memory
TINY = float(np.finfo(np.float64).tiny)  # the least probability of a label, as in metrics/nll.py


@dataclass(frozen=True)
class RowScores:
    """``rows`` int64 [N] index the data set; ``scores`` has for each metric the contributions of these rows,
    float32 [N], whose mean is the run's value."""

    rows: Integers
    scores: Mapping[str, "np.ndarray[Any, np.dtype[np.float32]]"]


Term = tuple[float, RowScores | None, str]  # a weight, the scores of a run, a metric


@dataclass(frozen=True)
class _Predictions:
    """Of each row the NLL and the Brier score, float64 [N], the confidence, and whether it is correct."""

    nll: Floats
    brier: Floats
    confidence: Floats
    correct: "np.ndarray[Any, np.dtype[np.bool_]]"


def _accuracy(predictions: _Predictions) -> Floats:
    return predictions.correct.astype(float)


def _nll(predictions: _Predictions) -> Floats:
    nll: Floats = np.minimum(predictions.nll, -np.log(TINY))
    return nll


def _brier(predictions: _Predictions) -> Floats:
    return predictions.brier


def _confidence_gap(predictions: _Predictions) -> Floats:
    gaps: Floats = predictions.confidence - predictions.correct
    return gaps


def _confidence_wrong(predictions: _Predictions) -> Floats:
    """The linearisation of the ratio: the mean over the wrong rows, and each one's deviation from it over
    their share."""
    wrong = ~predictions.correct
    if not wrong.any():
        return np.full(len(wrong), np.nan)
    mean = float(predictions.confidence[wrong].mean())
    deviations: Floats = np.where(wrong, predictions.confidence - mean, 0.0) / float(wrong.mean())
    return mean + deviations


def _ece(predictions: _Predictions) -> Floats:
    """ECE with the signs of the bins' gaps held fixed. Where the true gap of a bin is about 0 its sign is
    chance, so that intervals of an ECE near its noise floor are approximate."""
    gaps = _confidence_gap(predictions)
    index = np.clip(np.ceil(predictions.confidence * BINS).astype(int) - 1, 0, BINS - 1)
    signs: Floats = np.sign(np.bincount(index, weights=gaps, minlength=BINS))
    contributions: Floats = signs[index] * gaps
    return contributions


# The metrics whose value is a mean over test rows, or is linearised to one.
AS_TRAINED: Mapping[str, Callable[[_Predictions], Floats]] = {
    "test_accuracy": _accuracy,
    "test_nll": _nll,
    "test_brier": _brier,
    "test_confidence_gap": _confidence_gap,
    "test_confidence_wrong": _confidence_wrong,
    "test_ece": _ece,
}
AFTER_SCALING = {"test_nll_ts": _nll, "test_brier_ts": _brier, "test_ece_ts": _ece}
METRICS = (*AS_TRAINED, *AFTER_SCALING)


class StoredScores:
    """The scores of the finished ``runs`` of a table, read when they are asked for.

    The last few hundred stay in memory: a cell is compared with the same one or two as its neighbours.
    """

    def __init__(self, results_dir: str | Path, runs: "pd.DataFrame") -> None:
        self.seeds: dict[str, dict[int, str]] = defaultdict(dict)  # by cell, the run of each seed
        columns = ["cell", "seed", "run", "temperature"]
        done = runs[runs["status"] == DONE].reindex(columns=columns)
        temperatures = {}
        for cell, seed, run, temperature in zip(*(done[name] for name in columns), strict=True):
            self.seeds[cell][int(seed)] = run
            temperatures[run] = float(temperature)
        size = max(RUNS_IN_MEMORY, 4 * max(map(len, self.seeds.values()), default=0))

        @lru_cache(maxsize=size)
        def of_run(run: str) -> RowScores | None:
            """The scores of a run; None if they are not stored."""
            return row_scores(results_dir, run, temperatures[run])

        self.of_run = of_run

    def of_cell(self, cell: str) -> dict[int, RowScores | None]:
        """The scores of a cell's runs by seed; none for a single run, which has no interval."""
        runs = self.seeds[cell]
        return {seed: self.of_run(run) for seed, run in runs.items()} if len(runs) > 1 else {}


def row_scores(results_dir: str | Path, run: str, temperature: float) -> RowScores | None:
    """The contributions of the test rows of a stored ``run``, whose fitted temperature is known.

    None if its predictions are not stored, or without the indices of their rows, as by lsbench 0.1. Raises
    `DamagedRunError` for a file that is damaged.
    """
    path = run_dir(results_dir, run) / "predictions.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if "test_rows" not in stored:
                return None
            rows, logits, labels = (stored[f"test_{name}"] for name in ("rows", "logits", "labels"))
        fitting = len(rows) == len(logits) == len(labels) > 0
        if not fitting or min(rows.min(), labels.min()) < 0 or rows.max() >= MOST_ROWS:
            raise ValueError("its arrays do not fit together")
        return RowScores(rows.astype(np.int64), scores(logits, labels.astype(np.int64), temperature))
    except FileNotFoundError:
        return None
    except Exception as error:  # of any type: the bytes may be anything
        raise DamagedRunError(path, error or type(error).__name__) from error


def crossed_scores(seeds: Iterable[Sequence[Term]]) -> CrossedVariance | None:
    """The variance of the mean over seeds of a weighted sum, given by the terms of each seed.

    None for a single seed, for a metric without scores, and if the runs of a seed have different rows.
    """
    values, rows = [], []
    for terms in seeds:
        known = [(w, scores, metric) for w, scores, metric in terms if scores and metric in METRICS]
        if not known or len(known) < len(terms):
            return None
        first = known[0][1].rows
        if not all(np.array_equal(scores.rows, first) for _, scores, _ in known):
            return None
        values.append(
            np.sum([w * scores.scores[metric].astype(float) for w, scores, metric in known], axis=0)
        )
        rows.append(first)
    return crossed_variance(values, rows) if len(values) > 1 else None


def scores(
    logits: Floats, labels: Integers, temperature: float
) -> dict[str, "np.ndarray[Any, np.dtype[np.float32]]"]:
    """The contributions of rows [N] to each of `METRICS`, from logits [N,K] and labels int64 [N]."""
    rows, predicted = np.arange(len(labels)), logits.argmax(axis=1)
    below_largest = (logits - logits[rows, predicted, None]).astype(np.float64)
    trained, scaled = (_predictions(below_largest / scale, labels, predicted) for scale in (1, temperature))
    values = {name: function(trained) for name, function in AS_TRAINED.items()}
    values |= {name: function(scaled) for name, function in AFTER_SCALING.items()}
    return {name: value.astype(np.float32) for name, value in values.items()}


def _predictions(logits: Floats, labels: Integers, predicted: Integers) -> _Predictions:
    """From logits [N,K] of which the largest in a row is 0, and its class."""
    exponentials = np.exp(logits)
    total = exponentials.sum(axis=1)
    of_label = logits[np.arange(len(labels)), labels] - np.log(total)
    squares = np.einsum("nk,nk->n", exponentials, exponentials) / total**2
    brier = squares - 2 * np.exp(of_label) + 1
    return _Predictions(-of_label, brier, 1 / total, predicted == labels)
