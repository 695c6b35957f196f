"""Which figures a report has, and what is shown in each: chosen by select results, never by those of test."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lsbench.analysis.labels import lines
from lsbench.analysis.results import SweepResults
from lsbench.analysis.selection import CRITERION, CRITERION_TITLE, MARK_AT_STRENGTH, recommended
from lsbench.formatting import format_setting
from lsbench.report.figures import captions
from lsbench.report.figures.marks import BEST, PLAIN, SCALED, SMOOTHED, TRAINED, LineStyle, as_plain, mark
from lsbench.report.figures.spec import FigureSpec, Panel

KINDS = ("alpha", "reliability", "confidence", "training")
MOST = {"alpha": 14, "reliability": 9, "confidence": 9, "training": 5}  # methods that one figure can carry
OVER_ALPHA = ("test_accuracy", "test_ece", "test_ece_ts", "test_nll", "test_nll_ts")
TITLES = {
    "alpha": "Accuracy and calibration over α",
    "reliability": "Reliability before and after temperature scaling",
    "confidence": "How confident the predictions are",
    "training": "Training, epoch by epoch",
}
Cases = list[tuple[float, pd.DataFrame]]  # alphas, and what was kept of their runs


@dataclass(frozen=True)
class Line:
    """A method, and what else tells it apart: its ``rows`` of the summary; the cells at alpha 0 and at the
    best alpha above it (``cases``, by cell); whether 0 is chosen all the same; the least mean of what
    chooses."""

    label: str
    rows: pd.DataFrame
    cases: dict[str, float]
    unsmoothed: bool
    least: float


def plates(results: SweepResults) -> Iterator[FigureSpec]:
    """The figures of each data set and model.

    A single alpha has nothing to show over alpha. Where a figure cannot carry every method, it has the first
    of the table, which is plain training, and those with the least select NLL.
    """
    bins, epochs = results.bins, results.epochs
    for part in results.parts:
        pair = part.title
        suffix = f"-{part.data}-{part.model}" if len(results.parts) > 1 else ""
        done = part.cells[part.cells["n"] > 0]
        found = [_line(label, rows) for label, rows in lines(done)]
        if done["alpha"].nunique() > 1:
            yield _alpha(f"alpha{suffix}", pair, found)
        counted = [line for line in found if _cases(line, bins)]
        if counted:
            yield _by_method("reliability", suffix, pair, counted, bins)
            yield _by_method("confidence", suffix, pair, counted, bins)
        traced = [line for line in found if _cases(line, epochs)]
        if traced:
            yield _training(f"training{suffix}", pair, traced, epochs)


def _line(label: str, rows: pd.DataFrame) -> Line:
    found = recommended(rows, MARK_AT_STRENGTH)
    plain = rows.loc[rows["alpha"] == 0, "cell"].head(1)
    cases = dict.fromkeys(plain, 0.0) | {row["cell"]: row["alpha"] for row in found}
    least = found[0][f"{CRITERION}_mean"] if found else math.inf
    return Line(label, rows, cases, len(found) > 1, least)


def _alpha(name: str, pair: str, found: list[Line]) -> FigureSpec:
    shown = _shown(found, MOST["alpha"])
    columns = ["alpha", *(f"{metric}_{end}" for metric in OVER_ALPHA for end in ("mean", "high"))]
    drawn = tuple((mark(place, line.label), line.rows[columns]) for place, line in enumerate(shown))
    each = [
        ("Test accuracy", (("test_accuracy", False),), True),
        ("Calibration error (ECE)", (("test_ece", False), ("test_ece_ts", True)), True),
        ("Negative log-likelihood, nats", (("test_nll", False), ("test_nll_ts", True)), False),
    ]
    panels = [
        Panel(title, "over_alpha", drawn, {"metrics": metrics, "percent": percent})
        for title, metrics, percent in each
    ]
    legend = (*(line for line, _ in drawn), TRAINED, SCALED)
    caption = captions.OVER_ALPHA + _left_out(found, shown)
    alt = captions.over_alpha([(line.label, line.rows) for line in shown])
    return FigureSpec(name, "alpha", pair, TITLES["alpha"], tuple(panels), legend, caption, alt)


def _by_method(kind: str, suffix: str, pair: str, found: list[Line], bins: pd.DataFrame) -> FigureSpec:
    """A panel for each method, with its runs at alpha 0 and at the best alpha above it."""
    shown = _shown(found, MOST[kind])
    roles = {False: mark(0, "α = 0"), True: mark(1, BEST)}
    panels, used = [], set()
    for line in shown:
        cases = _cases(line, bins)
        alphas = " and ".join(format_setting(alpha) for alpha, _ in cases)
        drawn = tuple((roles[alpha > 0], table) for alpha, table in cases)
        panels.append(Panel(f"{line.label}: α = {alphas}", kind, drawn))
        used |= {alpha > 0 for alpha, _ in cases}
    legend = (*(roles[role] for role in sorted(used)), TRAINED, SCALED)
    caption, in_words = {
        "reliability": (captions.RELIABILITY, captions.reliability),
        "confidence": (captions.CONFIDENCE, captions.confidence),
    }[kind]
    caption += _unsmoothed(shown) + _left_out(found, shown)
    alt = in_words(_all_cases(shown, bins))
    return FigureSpec(kind + suffix, kind, pair, TITLES[kind], tuple(panels), legend, caption, alt)


def _training(name: str, pair: str, found: list[Line], epochs: pd.DataFrame) -> FigureSpec:
    shown = _shown(found, MOST["training"])
    drawn: list[tuple[LineStyle, pd.DataFrame]] = []
    legend: list[LineStyle] = []
    for place, line in enumerate(shown):
        own = mark(place, line.label)
        legend.append(own)
        drawn += [(own if alpha else as_plain(own), table) for alpha, table in _cases(line, epochs)]
    each = (
        ("Train loss", "train_loss", False),
        ("Select NLL, nats", "select_nll", False),
        ("Select accuracy", "select_accuracy", True),
    )
    panels = [
        Panel(title, "over_epochs", tuple(drawn), {"metric": metric, "percent": percent})
        for title, metric, percent in each
    ]
    alphas = {alpha for line in shown for alpha, _ in _cases(line, epochs)}
    legend += [SMOOTHED] * any(alphas) + [PLAIN] * (0 in alphas)
    caption = captions.TRAINING + _unsmoothed(shown) + _left_out(found, shown)
    alt = captions.training(_all_cases(shown, epochs))
    return FigureSpec(name, "training", pair, TITLES["training"], tuple(panels), tuple(legend), caption, alt)


def _cases(line: Line, traces: pd.DataFrame) -> Cases:
    """What the runs of a line's cases have left behind, as far as they have."""
    found = [(alpha, traces[traces["cell"] == cell]) for cell, alpha in line.cases.items()]
    return [(alpha, table) for alpha, table in found if len(table)]


def _all_cases(shown: list[Line], traces: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (f"{line.label}, α = {format_setting(alpha)}", table)
        for line in shown
        for alpha, table in _cases(line, traces)
    ]


def _shown(found: list[Line], most: int) -> list[Line]:
    order = sorted(range(1, len(found)), key=lambda place: found[place].least)
    return [found[place] for place in sorted([0, *order[: most - 1]])]


def _left_out(found: Sequence[Line], shown: Sequence[Line]) -> str:
    if len(shown) == len(found):
        return ""
    return (
        f" Of {len(found)} methods these are the first and the {len(shown) - 1} others with the least "
        f"{CRITERION_TITLE}."
    )


def _unsmoothed(shown: Sequence[Line]) -> str:
    names = [line.label for line in shown if line.unsmoothed]
    if not names:
        return ""
    return f" Chosen on select is α = 0 for {'; '.join(names)}: the best α above it is shown all the same."
