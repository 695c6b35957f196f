"""Which figures a report has, and what each says: its panels, its legend, and the same in words."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from lsbench.report import words
from lsbench.report.aggregate import as_rows, brief, chosen, lines, tables
from lsbench.report.marks import PLAIN, SCALED, SMOOTHED, TRAINED, Mark, as_plain, mark

KINDS = ("alpha", "reliability", "confidence", "training")
MOST = {"alpha": 14, "reliability": 9, "confidence": 9, "training": 5}  # methods that one figure can carry
DRAWS = ("figures.py", "panels.py", "layout.py", "marks.py")  # beside this file
OVER_ALPHA = ("test_accuracy", "test_ece", "test_ece_ts", "test_nll", "test_nll_ts")
Line = tuple[str, pd.DataFrame]  # a method, and what else tells it apart, and its cells
Drawn = tuple[tuple[Mark, pd.DataFrame], ...]


@dataclass(frozen=True)
class Panel:
    """``draw`` names a function of panels.py, which gets ``lines`` and ``options``."""

    title: str
    draw: str
    lines: Drawn
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plate:
    """A figure before it is drawn: ``name`` is its file's, ``pair`` its data set and model, ``alt`` what can
    be seen in it, in numbers."""

    name: str
    kind: str
    pair: str
    title: str
    panels: tuple[Panel, ...]
    legend: tuple[Mark, ...]
    caption: str
    alt: str

    def source(self) -> str:
        """A hash of all that is drawn and of what draws it: equal hashes, equal figures."""
        digest = hashlib.sha256(_made_with() + repr((self.title, self.pair, self.legend)).encode())
        for panel in self.panels:
            digest.update(repr((panel.title, panel.draw, panel.options)).encode())
            for line, table in panel.lines:
                digest.update(repr(line).encode() + table.to_csv(index=False).encode())
        return digest.hexdigest()


@cache
def _made_with() -> bytes:
    code = [(Path(__file__).parent / name).read_bytes() for name in DRAWS]
    return b"".join([version("matplotlib").encode(), *code])


def plates(summary: pd.DataFrame, bins: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Plate]:
    """The figures of each data set and model, from `aggregate.summary_table` and `traces`.

    A single alpha has nothing to show over alpha. Where a figure cannot carry every method, it has the first
    of the table, which is plain training, and those with the least select NLL.
    """
    parts = list(tables(summary))
    for data, model, table in parts:
        pair = f"{data}, {model}"
        suffix = f"-{data}-{model}" if len(parts) > 1 else ""
        found = list(lines(table[table["n"] > 0]))
        if table.loc[table["n"] > 0, "alpha"].nunique() > 1:
            yield _alpha(f"alpha{suffix}", pair, found)
        with_bins = _with_traces(found, bins)
        if with_bins:
            yield _reliability(f"reliability{suffix}", pair, with_bins, bins)
            yield _confidence(f"confidence{suffix}", pair, with_bins, bins)
        with_epochs = _with_traces(found, epochs)
        if with_epochs:
            yield _training(f"training{suffix}", pair, with_epochs, epochs)


def _alpha(name: str, pair: str, found: list[Line]) -> Plate:
    shown = _shown(found, MOST["alpha"])
    columns = ["alpha", *(f"{metric}_{end}" for metric in OVER_ALPHA for end in ("mean", "high"))]
    drawn = tuple((mark(place, label), line[columns]) for place, (label, line) in enumerate(shown))
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
    caption = words.OVER_ALPHA + _left_out(found, shown)
    title = "Accuracy and calibration over α"
    return Plate(name, "alpha", pair, title, tuple(panels), legend, caption, words.over_alpha(shown))


def _reliability(name: str, pair: str, found: list[Line], bins: pd.DataFrame) -> Plate:
    shown = _shown(found, MOST["reliability"])
    title = "Reliability before and after temperature scaling"
    caption = words.RELIABILITY + _left_out(found, shown)
    alt = words.reliability(_all_cases(shown, bins))
    return Plate(name, "reliability", pair, title, *_by_method("reliability", shown, bins), caption, alt)


def _confidence(name: str, pair: str, found: list[Line], bins: pd.DataFrame) -> Plate:
    shown = _shown(found, MOST["confidence"])
    title = "How confident the predictions are"
    caption = words.CONFIDENCE + _left_out(found, shown)
    alt = words.confidence(_all_cases(shown, bins))
    return Plate(name, "confidence", pair, title, *_by_method("confidence", shown, bins), caption, alt)


def _by_method(
    draw: str, shown: list[Line], bins: pd.DataFrame
) -> tuple[tuple[Panel, ...], tuple[Mark, ...]]:
    """A panel for each method, with its runs at alpha 0 and at the chosen alpha; and the legend."""
    roles = {False: mark(0, "α = 0"), True: mark(1, "α chosen on select")}
    panels, used = [], set()
    for label, line in shown:
        cases = _cases(line, bins)
        alphas = " and ".join(brief(alpha) for alpha, _ in cases)
        drawn = tuple((roles[alpha > 0], table) for alpha, table in cases)
        panels.append(Panel(f"{label}: α = {alphas}", draw, drawn))
        used |= {alpha > 0 for alpha, _ in cases}
    return tuple(panels), (*(roles[role] for role in sorted(used)), TRAINED, SCALED)


def _training(name: str, pair: str, found: list[Line], epochs: pd.DataFrame) -> Plate:
    shown = _shown(found, MOST["training"])
    drawn: list[tuple[Mark, pd.DataFrame]] = []
    legend: list[Mark] = []
    for place, (label, line) in enumerate(shown):
        *plain, (_, smoothed) = _cases(line, epochs)
        legend.append(mark(place, label))
        drawn += [(as_plain(legend[-1]), table) for _, table in plain]
        drawn.append((legend[-1], smoothed))
    each = (
        ("Train loss", "train_loss", False),
        ("Select NLL, nats", "select_nll", False),
        ("Select accuracy", "select_accuracy", True),
    )
    panels = [
        Panel(title, "over_epochs", tuple(drawn), {"metric": metric, "percent": percent})
        for title, metric, percent in each
    ]
    caption = words.TRAINING + _left_out(found, shown)
    alt = words.training(_all_cases(shown, epochs))
    both = (SMOOTHED, PLAIN) if len(drawn) > len(legend) else (SMOOTHED,)
    return Plate(
        name, "training", pair, "Training, epoch by epoch", tuple(panels), (*legend, *both), caption, alt
    )


def _with_traces(found: list[Line], traces: pd.DataFrame) -> list[Line]:
    return [(label, line) for label, line in found if _cases(line, traces)]


def _cases(line: pd.DataFrame, traces: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    """Alpha 0 and the chosen alpha of a method, as far as they differ and have traces, each with its own."""
    if traces.empty:
        return []
    plain = [row for row in as_rows(line) if row["alpha"] == 0][:1]
    picked = {row["cell"]: row["alpha"] for row in (*plain, chosen(line)) if row}
    found = [(alpha, traces[traces["cell"] == cell]) for cell, alpha in picked.items()]
    return [(alpha, table) for alpha, table in found if len(table)]


def _all_cases(shown: list[Line], traces: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (f"{label}, α = {brief(alpha)}", table)
        for label, line in shown
        for alpha, table in _cases(line, traces)
    ]


def _shown(found: list[Line], most: int) -> list[Line]:
    best = {label: row["select_nll_mean"] for label, line in found if (row := chosen(line))}
    order = sorted((label for label, _ in found[1:]), key=lambda label: best.get(label, float("inf")))
    kept = {label for label, _ in found[:1]}.union(order[: most - 1])
    return [(label, line) for label, line in found if label in kept]


def _left_out(found: Sequence[Line], shown: Sequence[Line]) -> str:
    if len(shown) == len(found):
        return ""
    others = len(shown) - 1
    return f" Of {len(found)} methods these are the first and the {others} others with the least select NLL."
