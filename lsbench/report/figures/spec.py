"""Figures before they are drawn: their panels, the lines of each panel, and the style of each line."""

import hashlib
from dataclasses import dataclass, field, replace
from importlib.metadata import version

import pandas as pd

# Raise it when draw.py or panels.py draws something else, so that stored figures are drawn again.
STYLE_VERSION = 1

# Okabe and Ito (2008), ordered so that neighbours differ in grey too. page.css replaces black, blue, grey and
# the grid's colour by those of the page.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
MARKERS = "osD^vPX"
GREY = "#737373"
DISTINCT = len(COLOURS) * len(MARKERS)  # number of line styles that differ by colour or marker

Size = tuple[int, int]  # width and height in points (1/72 inch)
PANEL_SIZE = (240, 210)


@dataclass(frozen=True)
class LineStyle:
    """A line's label and look. ``dash`` is a linestyle of matplotlib, empty for markers without a line;
    ``hollow`` leaves the markers unfilled."""

    label: str
    colour: str
    marker: str
    dash: str = "-"
    hollow: bool = False


def line_style(index: int, label: str) -> LineStyle:
    """The style of the line at ``index``, from 0. The first `DISTINCT` styles all differ."""
    turn, step = divmod(index, len(COLOURS))
    return LineStyle(label, COLOURS[step], MARKERS[(step + turn) % len(MARKERS)])


def as_scaled(style: LineStyle) -> LineStyle:
    """The style of the same line after temperature scaling."""
    return replace(style, dash="--", hollow=True)


def as_plain(style: LineStyle) -> LineStyle:
    """The style of the same method at alpha 0."""
    return replace(style, dash=":", hollow=True)


TRAINED = LineStyle("as trained", GREY, "o")
SCALED = replace(as_scaled(TRAINED), label="after temperature scaling")
BEST = "best α above 0 on select"
SMOOTHED = LineStyle(f"at the {BEST}", GREY, "o")
PLAIN = replace(as_plain(TRAINED), label="at α = 0")

Series = tuple[tuple[LineStyle, pd.DataFrame], ...]


@dataclass(frozen=True)
class Panel:
    """A title and the lines to draw; panels.py draws each subclass."""

    title: str
    lines: Series = field(repr=False)


@dataclass(frozen=True)
class OverAlpha(Panel):
    """Means over alpha with the columns ``_half`` as bars. ``metrics`` are (summary column, True if it is
    after temperature scaling)."""

    metrics: tuple[tuple[str, bool], ...]
    percent: bool


@dataclass(frozen=True)
class Reliability(Panel):
    """Accuracy over mean confidence, bin by bin."""


@dataclass(frozen=True)
class Confidence(Panel):
    """Histogram of the confidence."""


@dataclass(frozen=True)
class OverEpochs(Panel):
    """A column of the training history, epoch by epoch."""

    metric: str
    percent: bool


@dataclass(frozen=True)
class OverPairs(Panel):
    """A difference over the number of pairs, with half its interval; the band is ± ``margin``."""

    margin: float


@dataclass(frozen=True)
class Effects(Panel):
    """Differences with their intervals, one of ``rows`` each; the band is ± ``margin``, and ``better`` says
    on which side of 0 an improvement lies."""

    margin: float
    rows: int
    better: str


@dataclass(frozen=True)
class Forest(Panel):
    """Effects with their intervals, one row each, in units of their margins."""


@dataclass(frozen=True)
class Plane(Panel):
    """Points of a plane by class, in a square with the centre (``x``, ``y``) and half the width ``half``."""

    x: float
    y: float
    half: float


@dataclass(frozen=True)
class FigureSpec:
    """A figure of a report.

    ``name`` is the stem of its files, ``kind`` the name without the data set and model, which ``part`` gives.
    ``caption`` explains how to read the figure, and ``alt`` puts its content into words and numbers. ``size``
    is that of a panel.
    """

    name: str
    kind: str
    part: str
    title: str
    panels: tuple[Panel, ...]
    legend: tuple[LineStyle, ...]
    caption: str
    alt: str
    size: Size = PANEL_SIZE

    def content_hash(self) -> str:
        """A hash of everything that is drawn and of what draws it: equal hashes, equal figures.

        The drawing code enters by `STYLE_VERSION` and matplotlib's version. lsbench's version does not: a
        release that draws nothing else would redraw every stored figure.
        """
        versions = (STYLE_VERSION, version("matplotlib"))
        content = (self.title, self.part, self.legend, self.size, self.panels)
        digest = hashlib.sha256(repr(versions + content).encode())
        for panel in self.panels:
            for style, table in panel.lines:
                digest.update(repr(style).encode() + table.to_csv(index=False).encode())
        return digest.hexdigest()
