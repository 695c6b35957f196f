"""Figures of panels in a grid, drawn without a display and byte for byte the same each time.

Panels have one size and fixed places (layout.py), so that the page can take them out of the SVG one by one
and let them flow with the width of the window.
"""

import io
import textwrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lsbench.report.figures import layout, panels
from lsbench.report.figures.spec import FigureSpec

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "svg.hashsalt": "lsbench",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x$
}


def draw(plate: FigureSpec, source: str) -> dict[str, bytes]:
    """The PNG and the SVG of ``plate`` by their suffix, with ``source`` in their metadata."""
    with mpl.rc_context(STYLE):
        return _encode(_compose(plate), source)


def _compose(plate: FigureSpec) -> Figure:
    """All panels, three a row, with one title above and one legend below them."""
    count = len(plate.panels)
    heading = f"{plate.title}: {plate.pair}"
    wide = max(layout.columns(count) * plate.size[0], min(16 + 6 * len(heading), 2 * layout.WIDTH))
    longest = max(len(mark.label) for mark in plate.legend)
    beside = max(min(wide // (40 + 6 * longest), len(plate.legend)), 1)
    legend_rows = -(-len(plate.legend) // beside)
    high = layout.TITLE + layout.rows(count) * plate.size[1] + legend_rows * layout.LEGEND + 8
    figure = Figure(figsize=(wide / 72, high / 72))
    figure.text(8 / wide, 1 - 14 / high, heading, fontsize=10.5)
    names = [textwrap.fill(panel.title, 38, max_lines=2, placeholder=" …") for panel in plate.panels]
    title_lines = 1 + max(name.count("\n") for name in names)
    for place, panel in enumerate(plate.panels):
        left, top, width, height = layout.inner(place, count, title_lines, plate.size)
        axes = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
        axes.set_title(names[place], x=-(layout.LEFT - 8) / width, pad=9)
        getattr(panels, panel.draw)(axes, panel.lines, **panel.options)
    handles = [Line2D([], [], label=mark.label, **panels.style(mark)) for mark in plate.legend]
    figure.legend(handles=handles, loc="lower left", ncols=beside, frameon=False, handlelength=2.6)
    return figure


def _encode(figure: Figure, source: str) -> dict[str, bytes]:
    """Its PNG and its SVG by their suffix: no date, no version, so equal figures are equal bytes."""
    files = {}
    for kind, unsaid in (("png", "Software"), ("svg", "Date")):
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=160, metadata={unsaid: None, "Source": source})
        files[kind] = stream.getvalue()
    return files
