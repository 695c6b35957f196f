"""How the lines of a figure are told apart: by colour, and without colour by marker, dashes and filling."""

from dataclasses import dataclass, replace

# Okabe and Ito (2008), ordered so that neighbours differ in grey too.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
MARKERS = "osD^vPX"
GREY = "#737373"
DISTINCT = len(COLOURS) * len(MARKERS)  # lines that no other one looks like


@dataclass(frozen=True)
class LineStyle:
    """The looks of a line; ``dash`` is matplotlib's word for it, empty for no line, ``hollow`` leaves its
    markers unfilled."""

    label: str
    colour: str
    marker: str
    dash: str = "-"
    hollow: bool = False


def mark(place: int, label: str) -> LineStyle:
    """That of the line at ``place``, from 0; each of the first `DISTINCT` differs from all others."""
    turn, step = divmod(place, len(COLOURS))
    return LineStyle(label, COLOURS[step], MARKERS[(step + turn) % len(MARKERS)])


def as_scaled(line: LineStyle) -> LineStyle:
    """The same line after temperature scaling."""
    return replace(line, dash="--", hollow=True)


def as_plain(line: LineStyle) -> LineStyle:
    """The same line at alpha 0, beside the smoothed one."""
    return replace(line, dash=":", hollow=True)


TRAINED = LineStyle("as trained", GREY, "o")
SCALED = replace(as_scaled(TRAINED), label="after temperature scaling")
BEST = "best α above 0 on select"
SMOOTHED = LineStyle(f"at the {BEST}", GREY, "o")
PLAIN = replace(as_plain(TRAINED), label="at α = 0")
