"""Figures drawn by matplotlib without a display, byte for byte the same each time.

A figure is drawn three times: as a whole into a PNG and an SVG file, each panel alone for the page, where
panels flow with the width of the window, and each line style alone for the page's legend.
"""

import io
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from lsbench.report.figures.panels import draw_panel, line_options
from lsbench.report.figures.spec import PANEL_SIZE, FigureSpec, LineStyle, Panel, Size

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # fixed: fitting it to the tick labels took a sixth of the drawing time
    "axes.titleweight": "bold",
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "svg.hashsalt": "lsbench",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x$
}
# In points.
LEFT, RIGHT, TOP, BOTTOM = 52, 17, 14, 38  # around a panel's axes
TITLE_LINE = 12  # a line of a panel's title
HEADING = 26  # the whole figure's title, above the panels
LEGEND_ROW = 15  # a row of the whole figure's legend, below the panels
KEY = (30, 10)  # a line style in the page's legend


@dataclass(frozen=True)
class Drawing:
    """A figure as the bytes of its files, and for the page its panels and the keys of its legend as SVG
    elements, whose ids differ from those of other figures on the page."""

    png: bytes
    svg: bytes
    panels: tuple[str, ...]
    keys: tuple[str, ...]


def draw(spec: FigureSpec, source: str) -> Drawing:
    """Draw a figure, with ``source`` in the metadata of its files."""
    with mpl.rc_context(STYLE):
        whole = _whole(spec)
        keys = [_key(style) for style in spec.legend]
        return Drawing(
            png=_save(whole, "png", Software=None, Source=source),
            svg=_save(whole, "svg", Date=None, Source=source),
            panels=tuple(_panels(whole, spec)),
            keys=tuple(_element(key, f"{spec.name}-key-{index}") for index, key in enumerate(keys)),
        )


def _whole(spec: FigureSpec) -> Figure:
    """All panels, two or three in a row, with one title above and one legend below them."""
    columns = _columns(spec)
    heading = f"{spec.title}: {spec.part}"
    width = max(columns * spec.size[0], min(16 + 6 * len(heading), 2 * PANEL_SIZE[0]))
    longest = max(len(style.label) for style in spec.legend)
    legend_columns = max(min(width // (40 + 6 * longest), len(spec.legend)), 1)
    rows, legend_rows = -(-len(spec.panels) // columns), -(-len(spec.legend) // legend_columns)
    height = HEADING + rows * spec.size[1] + legend_rows * LEGEND_ROW + 8
    figure = Figure(figsize=(width / 72, height / 72))
    figure.text(8 / width, 1 - 14 / height, heading, fontsize=10.5)
    for index, (panel, title) in enumerate(zip(spec.panels, _titles(spec), strict=True)):
        _add_panel(figure, panel, title, spec.size, _corner(spec, index))
    handles = [Line2D([], [], label=style.label, **line_options(style)) for style in spec.legend]
    figure.legend(handles=handles, loc="lower left", ncols=legend_columns, frameon=False, handlelength=2.6)
    return figure


def _titles(spec: FigureSpec) -> list[str]:
    """The panels' titles, wrapped to at most two lines; all have as many lines as the longest."""
    wrapped = [textwrap.fill(panel.title, 38, max_lines=2, placeholder=" …") for panel in spec.panels]
    lines = max(title.count("\n") for title in wrapped)
    return ["\n" * (lines - title.count("\n")) + title for title in wrapped]


def _columns(spec: FigureSpec) -> int:
    return 2 if len(spec.panels) == 4 else min(len(spec.panels), 3)


def _corner(spec: FigureSpec, index: int) -> tuple[int, int]:
    """The upper left corner of a panel in the whole figure, in points from that of the figure."""
    row, column = divmod(index, _columns(spec))
    return column * spec.size[0], HEADING + row * spec.size[1]


def _panels(whole: Figure, spec: FigureSpec) -> Iterator[str]:
    """Each panel as an SVG element: the whole figure cut to the panel, with all else invisible."""
    height = whole.get_figheight()
    parts = [*whole.axes, *whole.texts, *whole.legends]
    for index, axes in enumerate(whole.axes):
        for part in parts:
            part.set_visible(part is axes)
        left, top = (length / 72 for length in _corner(spec, index))
        right, bottom = left + spec.size[0] / 72, top + spec.size[1] / 72
        box = Bbox([[left, height - bottom], [right, height - top]])
        yield _element(whole, f"{spec.name}-{index}", box)


def _add_panel(figure: Figure, panel: Panel, title: str, size: Size, corner: tuple[int, int]) -> None:
    """Draw a panel of this ``size`` with its upper left corner at ``corner``, in points from the figure's."""
    figure_width, figure_height = 72 * figure.get_size_inches()
    above = TOP + TITLE_LINE * (1 + title.count("\n"))
    left, top = corner[0] + LEFT, corner[1] + above
    width, height = size[0] - LEFT - RIGHT, size[1] - above - BOTTOM
    bottom = figure_height - top - height
    box = (left / figure_width, bottom / figure_height, width / figure_width, height / figure_height)
    axes = figure.add_axes(box)
    axes.set_title(title, x=-(LEFT - 8) / width, pad=9)
    draw_panel(panel, axes)


def _key(style: LineStyle) -> Figure:
    """A line style as the page's legend shows it."""
    figure = Figure(figsize=(KEY[0] / 72, KEY[1] / 72))
    options = line_options(style) | {"markevery": [1], "transform": figure.transFigure}
    figure.add_artist(Line2D([0.02, 0.5, 0.98], [0.5, 0.5, 0.5], **options))
    return figure


def _save(figure: Figure, kind: str, box: Bbox | None = None, **metadata: str | None) -> bytes:
    """The bytes of a file, cut to ``box``, without a date or a version: equal figures are equal bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=160, metadata=metadata, bbox_inches=box)
    return stream.getvalue()


def _element(figure: Figure, salt: str, box: Bbox | None = None) -> str:
    """The figure, cut to ``box``, as an SVG element for an HTML page.

    ``salt`` makes the ids that the element refers to unique on the page; those of mere groups, which repeat
    in every figure, are removed. No text can be mistaken for a tag, since "<" is escaped in it.
    """
    figure.set_facecolor("none")
    with mpl.rc_context({"svg.hashsalt": salt}):
        svg = _save(figure, "svg", box, Date=None, Creator=None, Format=None, Type=None).decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg)
    return re.sub(r"<svg[^>]*>", lambda tag: re.sub(r' xmlns[^=]*="[^"]*"', "", tag[0]), svg, count=1)
