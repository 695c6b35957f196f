"""Accuracy and calibration against alpha, drawn without a display and byte for byte the same each time."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from lsbench.report.aggregate import lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008), ordered so that neighbours differ in grey too.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9", "#D55E00")
MARKERS = "osD^vPX"
# Title, metric, metric after temperature scaling, whether it is a fraction shown in per cent.
PANELS = (
    ("Test accuracy", "test_accuracy", None, True),
    ("Expected calibration error (ECE)", "test_ece", "test_ece_ts", True),
    ("Negative log-likelihood (NLL), nats", "test_nll", "test_nll_ts", False),
)
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.7,
    "svg.hashsalt": "lsbench",
}


def alpha_figures(parts: Mapping[str, tuple[str, pd.DataFrame]], source: str) -> dict[str, bytes]:
    """File names and contents: a PNG and an SVG for each name in ``parts``, which holds its title and table.
    ``source`` is noted in their metadata."""
    files: dict[str, bytes] = {}
    for name, (title, table) in parts.items():
        with mpl.rc_context(STYLE):
            figure = draw(table, title)
            files[f"{name}.png"] = _encode(figure, "png", {"Software": None, "Source": source})
            files[f"{name}.svg"] = _encode(figure, "svg", {"Date": None, "Source": source})
    return files


def draw(table: pd.DataFrame, title: str) -> Figure:
    """Three panels over alpha: one line a method, bars are 95 % t-intervals, dashes are after scaling."""
    groups = list(lines(table))
    columns = 5 if max(len(label) for label, _ in groups) < 12 else 3
    rows = -(-(len(groups) + 2) // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.08, wspace=0.04)
    figure = Figure(figsize=(10, 3.3 + 0.2 * rows), layout=layout)
    alphas = sorted(table["alpha"].unique())
    for axes, (name, metric, scaled, percent) in zip(figure.subplots(1, 3), PANELS, strict=True):
        axes.set_title(name)
        positions = _scale(axes, alphas)
        step = (max(positions.values()) - min(positions.values())) * min(0.018, 0.06 / len(groups))
        for index, (_, line) in enumerate(groups):
            shift = (index - (len(groups) - 1) / 2) * step
            x = line["alpha"].map(positions) + shift  # side by side, or the bars would hide one another
            _line(axes, x, line, metric, index=index, dashed=False)
            if scaled is not None:
                _line(axes, x, line, scaled, index=index, dashed=True)
        if percent:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g} %"))
        if percent and scaled is not None:
            axes.set_ylim(bottom=0)  # an error has a zero worth seeing
    figure.suptitle(title, x=0.008, ha="left", fontsize=10.5)
    _legend(figure, [label for label, _ in groups], columns)
    return figure


def _scale(axes: "Axes", alphas: list[float]) -> dict[float, float]:
    """Ticks at the alphas that were run; evenly spaced where true distances would make labels collide."""
    gap = float(np.min(np.diff(alphas))) / (alphas[-1] - alphas[0])
    true = gap >= 0.07
    positions = {alpha: alpha if true else float(place) for place, alpha in enumerate(alphas)}
    axes.set_xticks(list(positions.values()), [f"{alpha:g}" for alpha in alphas])
    axes.tick_params(axis="x", labelrotation=90 if len(alphas) > 10 else 0)
    axes.set_xlabel("smoothing α" if true else "smoothing α (spacing not to scale)")
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    return positions


def _line(
    axes: "Axes", x: "pd.Series[Any]", line: pd.DataFrame, metric: str, *, index: int, dashed: bool
) -> None:
    mean = line[f"{metric}_mean"]
    axes.errorbar(
        x,
        mean,
        yerr=line[f"{metric}_high"] - mean,
        color=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        markersize=4.5,
        markerfacecolor="white" if dashed else None,
        linewidth=1.3,
        linestyle="--" if dashed else "-",
        elinewidth=0.9,
        capsize=2,
    )


def _legend(figure: Figure, labels: list[str], columns: int) -> None:
    handles = [
        Line2D([], [], color=COLOURS[index % 7], marker=MARKERS[index % 7], markersize=4.5, label=label)
        for index, label in enumerate(labels)
    ]
    grey: dict[str, Any] = {"color": "0.45", "linewidth": 1.3, "marker": "o", "markersize": 4.5}
    handles.append(Line2D([], [], label="as trained", **grey))
    scaled: dict[str, Any] = {
        "linestyle": "--",
        "markerfacecolor": "white",
        "label": "after temperature scaling",
    }
    handles.append(Line2D([], [], **grey, **scaled))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, handlelength=2.6)


def _encode(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=200, metadata=metadata)
    return stream.getvalue()
