"""Figures of a sweep's report. What is shown in each is chosen by select results, never by test results."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lsbench.analysis.results import SweepResults
from lsbench.analysis.selection import CRITERION, CRITERION_TITLE, MARK_AT_STRENGTH, recommended
from lsbench.analysis.stats import half_width
from lsbench.formatting import format_setting
from lsbench.report.figures import captions, effects
from lsbench.report.figures.spec import (
    BEST,
    PLAIN,
    SCALED,
    SMOOTHED,
    TRAINED,
    Confidence,
    FigureSpec,
    OverAlpha,
    OverEpochs,
    Reliability,
    as_plain,
    line_style,
)

KINDS = ("effects", "alpha", "reliability", "confidence", "training")
MAX_METHODS = {"alpha": 14, "reliability": 9, "confidence": 9, "training": 5}  # in one figure
OVER_ALPHA = ("test_accuracy", "test_ece", "test_ece_ts", "test_nll", "test_nll_ts")
TITLES = {
    "alpha": "Accuracy and calibration over α",
    "reliability": "Reliability before and after temperature scaling",
    "confidence": "Confidence of the predictions",
    "training": "Training, epoch by epoch",
}
Cases = list[tuple[float, pd.DataFrame]]  # alphas, each with the bins or epochs of its runs


@dataclass(frozen=True)
class MethodLine:
    """A method, with the settings that distinguish it, as a line of the figures.

    ``rows`` are those of the summary; ``cases`` the cells at alpha 0 and at the best alpha above it, with
    their alphas; ``plain_chosen`` is true if alpha 0 is chosen all the same; ``criterion`` is the mean by
    which the method's best cell is chosen.
    """

    label: str
    rows: pd.DataFrame
    cases: dict[str, float]
    plain_chosen: bool
    criterion: float


def figure_specs(results: SweepResults) -> Iterator[FigureSpec]:
    """The figures of each data set and model.

    A single alpha has no figure over alpha. A figure that cannot show every method shows the first of the
    table, which is plain training, and those with the least mean of the selection criterion.
    """
    bins, epochs = results.bins, results.epochs
    for part in results.parts:
        suffix = f"-{part.data}-{part.model}" if len(results.parts) > 1 else ""
        if effects_figure := effects.figure(part, suffix):
            yield effects_figure
        trained = [(label, rows[rows["n"] > 0]) for label, rows in part.lines]
        methods = [_method(label, rows) for label, rows in trained if len(rows)]
        binned = [method for method in methods if _cases(method, bins)]
        traced = [method for method in methods if _cases(method, epochs)]
        if part.cells.loc[part.cells["n"] > 0, "alpha"].nunique() > 1:
            yield _alpha(f"alpha{suffix}", part.title, methods)
        if binned:
            yield _by_method("reliability", suffix, part.title, binned, bins)
            yield _by_method("confidence", suffix, part.title, binned, bins)
        if traced:
            yield _training(f"training{suffix}", part.title, traced, epochs)


def _method(label: str, rows: pd.DataFrame) -> MethodLine:
    best = recommended(rows, MARK_AT_STRENGTH)
    plain = rows.loc[rows["alpha"] == 0, "cell"].head(1)
    cases = dict.fromkeys(plain, 0.0) | {row["cell"]: row["alpha"] for row in best}
    criterion = best[0][f"{CRITERION}_mean"] if best else math.inf
    return MethodLine(label, rows, cases, len(best) > 1, criterion)


def _alpha(name: str, part: str, methods: list[MethodLine]) -> FigureSpec:
    shown = _shown(methods, MAX_METHODS["alpha"])
    series = tuple(
        (line_style(index, method.label), _over_seeds(method.rows)) for index, method in enumerate(shown)
    )
    nll = (("test_nll", False), ("test_nll_ts", True))
    panels = (
        OverAlpha("Test accuracy", series, (("test_accuracy", False),), percent=True),
        OverAlpha("Calibration error (ECE) as trained", series, (("test_ece", False),), percent=True),
        OverAlpha("ECE after scaling", series, (("test_ece_ts", True),), percent=True),
        OverAlpha("Negative log-likelihood, nats", series, nll, percent=False),
    )
    legend = (*(style for style, _ in series), TRAINED, SCALED)
    caption = captions.CAPTIONS["alpha"] + _methods_left_out(methods, shown)
    alt = captions.over_alpha([(method.label, method.rows) for method in shown])
    return FigureSpec(name, "alpha", part, TITLES["alpha"], panels, legend, caption, alt)


def _over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """The alpha of ``rows``, the means of `OVER_ALPHA`, and half of their intervals over seeds."""
    table = rows[["alpha", *(f"{metric}_mean" for metric in OVER_ALPHA)]].copy()
    for metric in OVER_ALPHA:
        se = rows[f"{metric}_sd"] / rows["n"] ** 0.5
        table[f"{metric}_half"] = [half_width(*pair) for pair in zip(se, rows["n"] - 1, strict=True)]
    return table


def _by_method(
    kind: str, suffix: str, part: str, methods: list[MethodLine], bins: pd.DataFrame
) -> FigureSpec:
    """Reliability or confidence: a panel for each method, with its runs at alpha 0 and at the best alpha."""
    draw, describe = {
        "reliability": (Reliability, captions.reliability),
        "confidence": (Confidence, captions.confidence),
    }[kind]
    shown = _shown(methods, MAX_METHODS[kind])
    plain, smoothed = line_style(0, "α = 0"), line_style(1, BEST)
    panels, styles = [], set()
    for method in shown:
        cases = _cases(method, bins)
        alphas = " and ".join(format_setting(alpha) for alpha, _ in cases)
        series = tuple((smoothed if alpha else plain, table) for alpha, table in cases)
        panels.append(draw(f"{method.label}: α = {alphas}", series))
        styles |= {style for style, _ in series}
    legend = (*(style for style in (plain, smoothed) if style in styles), TRAINED, SCALED)
    caption = captions.CAPTIONS[kind] + _plain_chosen(shown) + _methods_left_out(methods, shown)
    alt = describe(_labelled_cases(shown, bins))
    return FigureSpec(kind + suffix, kind, part, TITLES[kind], tuple(panels), legend, caption, alt)


def _training(name: str, part: str, methods: list[MethodLine], epochs: pd.DataFrame) -> FigureSpec:
    shown = _shown(methods, MAX_METHODS["training"])
    styles = [line_style(index, method.label) for index, method in enumerate(shown)]
    series = tuple(
        (style if alpha else as_plain(style), table)
        for style, method in zip(styles, shown, strict=True)
        for alpha, table in _cases(method, epochs)
    )
    panels = (
        OverEpochs("Train loss", series, "train_loss", percent=False),
        OverEpochs("Select NLL, nats", series, "select_nll", percent=False),
        OverEpochs("Select accuracy", series, "select_accuracy", percent=True),
    )
    alphas = {alpha for method in shown for alpha, _ in _cases(method, epochs)}
    legend = list(styles)
    if any(alphas):
        legend.append(SMOOTHED)
    if 0 in alphas:
        legend.append(PLAIN)
    caption = captions.CAPTIONS["training"] + _plain_chosen(shown) + _methods_left_out(methods, shown)
    alt = captions.training(_labelled_cases(shown, epochs))
    return FigureSpec(name, "training", part, TITLES["training"], panels, tuple(legend), caption, alt)


def _cases(method: MethodLine, traces: pd.DataFrame) -> Cases:
    """The bins or epochs of a method's cases, as far as they are stored."""
    by_case = [(alpha, traces[traces["cell"] == cell]) for cell, alpha in method.cases.items()]
    return [(alpha, table) for alpha, table in by_case if len(table)]


def _labelled_cases(methods: list[MethodLine], traces: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (f"{method.label}, α = {format_setting(alpha)}", table)
        for method in methods
        for alpha, table in _cases(method, traces)
    ]


def _shown(methods: list[MethodLine], most: int) -> list[MethodLine]:
    """The first method and, in the table's order, the best of the others."""
    best = sorted(range(1, len(methods)), key=lambda index: methods[index].criterion)
    return [methods[index] for index in sorted([0, *best[: most - 1]])]


def _methods_left_out(methods: Sequence[MethodLine], shown: Sequence[MethodLine]) -> str:
    if len(shown) == len(methods):
        return ""
    return (
        f" Of {len(methods)} methods these are the first and the {len(shown) - 1} others with the least "
        f"{CRITERION_TITLE}."
    )


def _plain_chosen(shown: Sequence[MethodLine]) -> str:
    names = [method.label for method in shown if method.plain_chosen]
    if not names:
        return ""
    return f" On select, α = 0 is chosen for {'; '.join(names)}; the best α above 0 is shown all the same."
