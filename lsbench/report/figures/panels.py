"""Panels of figures, drawn into matplotlib axes: one function for each subclass of `spec.Panel`."""

from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, MultipleLocator, NullFormatter, NullLocator

from lsbench.report.figures.spec import (
    GREY,
    Confidence,
    Effects,
    Forest,
    LineStyle,
    OverAlpha,
    OverEpochs,
    OverPairs,
    Panel,
    Plane,
    Reliability,
    as_scaled,
)

GRID = "#e3e3e3"
MIN_PREDICTIONS = 30  # in a bin; below that its accuracy is noise and hides the other points


def line_options(style: LineStyle) -> dict[str, Any]:
    """A line style as keyword arguments of matplotlib's ``plot``."""
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": 4.5,
        "markerfacecolor": "white" if style.hollow else None,
        "linestyle": style.dash,
        "linewidth": 1.3,
    }


@singledispatch
def draw_panel(panel: Panel, axes: Axes) -> None:
    """Draw the panel's lines into ``axes``."""
    # each kind of panel registers its own function below; this one is reached by a kind that has none
    raise NotImplementedError(type(panel).__name__)


@draw_panel.register
def _over_alpha(panel: OverAlpha, axes: Axes) -> None:
    count = len(panel.lines)
    positions = _alphas(axes, sorted({alpha for _, line in panel.lines for alpha in line["alpha"]}))
    step = (max(positions.values()) - min(positions.values())) * min(0.018, 0.06 / count)
    for index, (style, line) in enumerate(panel.lines):
        shift = (index - (count - 1) / 2) * step
        x = line["alpha"].map(positions) + shift  # side by side, or the bars would hide one another
        for metric, scaled in panel.metrics:
            mean = line[f"{metric}_mean"]
            options = line_options(as_scaled(style) if scaled else style)
            axes.errorbar(x, mean, yerr=line[f"{metric}_half"], elinewidth=0.9, capsize=2, **options)
    if panel.percent:
        axes.yaxis.set_major_formatter(_per_cent)
    if panel.percent and all("ece" in metric for metric, _ in panel.metrics):
        axes.set_ylim(bottom=0)  # an error has a zero worth seeing
    axes.grid(axis="y", color=GRID, linewidth=0.6)


@draw_panel.register
def _reliability(panel: Reliability, axes: Axes) -> None:
    """Reliability as trained and after scaling; on the diagonal confidence and accuracy agree."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, zorder=1)
    for style, bins in panel.lines:
        for suffix, suffix_style in (("", style), ("_ts", as_scaled(style))):
            shown = bins[bins[f"n{suffix}"] >= MIN_PREDICTIONS]
            n = shown[f"n{suffix}"]
            x, y = shown[f"confidence{suffix}"] / n, shown[f"correct{suffix}"] / n
            axes.plot(x, y, clip_on=False, **line_options(suffix_style))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(0.25))
        axis.set_major_formatter(_per_cent)
    axes.grid(color=GRID, linewidth=0.6)


@draw_panel.register
def _confidence(panel: Confidence, axes: Axes) -> None:
    """The share of predictions in each bin, as trained and after scaling, on a log scale."""
    for style, bins in panel.lines:
        edges = [*bins["lower"], bins["upper"].iloc[-1]]
        centres = (bins["lower"] + bins["upper"]) / 2
        for suffix, suffix_style in (("", style), ("_ts", as_scaled(style))):
            share = bins[f"n{suffix}"] / bins[f"n{suffix}"].sum()
            axes.stairs(
                share.clip(lower=1e-9),
                edges,
                baseline=None,
                color=suffix_style.colour,
                linestyle=suffix_style.dash,
                linewidth=1.1,
            )
            markers = line_options(suffix_style) | {"linestyle": "", "markersize": 3.5}
            axes.plot(centres, share.where(share > 0), **markers)
    axes.set(xlim=(0, 1), yscale="log", ylim=(5e-4, 1.3), xlabel="confidence", ylabel="share of predictions")
    axes.xaxis.set_major_locator(MultipleLocator(0.25))
    axes.xaxis.set_major_formatter(_per_cent)
    axes.yaxis.set_major_formatter(_per_cent)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=GRID, linewidth=0.6)


@draw_panel.register
def _effects(panel: Effects, axes: Axes) -> None:
    """A row for each ``position``, from the top: the ``label`` and the ``number``, and below them ``effect``
    from ``low`` to ``high``."""
    ends = np.concatenate([table[["effect", "low", "high"]].to_numpy().ravel() for _, table in panel.lines])
    limit = 1.08 * max(float(np.nanmax(np.abs(ends))), 1.4 * panel.margin)
    axes.axvspan(-panel.margin, panel.margin, color=GRID, zorder=0, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for style, table in panel.lines:
        y = table["position"] + 0.72
        axes.hlines(y, table["low"], table["high"], color=style.colour, linewidth=1.6)
        axes.plot(table["effect"], y, **line_options(style) | {"linestyle": "", "markersize": 6})
        _label_rows(axes, table, fontsize=8)
    axes.set(xlim=(-limit, limit), ylim=(panel.rows, 0), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    axes.set_xlabel(f"difference ({panel.better})")
    axes.spines["left"].set_visible(False)


def _label_rows(axes: Axes, table: pd.DataFrame, fontsize: float) -> None:
    """Write the ``label`` of each row to the left and its ``number`` to the right, and a line below it."""
    anchor: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": fontsize}
    for position, label, number in zip(table["position"], table["label"], table["number"], strict=True):
        axes.annotate(label, (0, position + 0.42), xytext=(-44, 0), **anchor)
        axes.annotate(number, (1, position + 0.42), xytext=(12, 0), ha="right", **anchor)
        axes.axhline(position + 1, color=GRID, linewidth=0.6)


@draw_panel.register
def _forest(panel: Forest, axes: Axes) -> None:
    """A row for each ``position``, from the top: the ``label`` and the ``number``, and below them ``effect``
    from ``low`` to ``high``. The band is one margin to either side; the scale is linear within and
    logarithmic outside."""
    rows = 1 + max(int(table["position"].max()) for _, table in panel.lines)
    largest = max(float(np.nanmax(table[["effect", "low", "high"]].abs())) for _, table in panel.lines)
    limit = 1.25 * max(largest, 2.4)
    axes.axvspan(-1, 1, color=GRID, zorder=0, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for style, table in panel.lines:
        y = table["position"] + 0.68
        axes.hlines(y, table["low"], table["high"], color=style.colour, linewidth=1.6)
        axes.plot(table["effect"], y, **line_options(style) | {"linestyle": "", "markersize": 6})
        _label_rows(axes, table, fontsize=8.5)
    axes.set(xlim=(-limit, limit), ylim=(rows, 0), yticks=[])
    axes.set_xscale("symlog", linthresh=1, linscale=0.6)
    positive = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= limit]
    ticks = [*(-tick for tick in reversed(positive)), 0, *positive]
    axes.set_xticks(ticks, [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("effect ÷ margin (right: as claimed; within ±1 too small to matter)")
    axes.spines["left"].set_visible(False)


@draw_panel.register
def _over_pairs(panel: OverPairs, axes: Axes) -> None:
    """The difference after each number of pairs. Wide early intervals are cut, to show the later ones."""
    axes.axhspan(-panel.margin, panel.margin, color=GRID, zorder=0, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    for style, path in panel.lines:
        options = {"elinewidth": 0.9, "capsize": 2} | line_options(style)
        axes.errorbar(path["pairs"], path["effect"], yerr=path["half"], **options)
        last = path.iloc[-1]
        limit = max(4 * float(last["half"]), 1.3 * panel.margin)
        low, high = min(last["effect"], 0) - limit, max(last["effect"], 0) + limit
        axes.set_ylim(low, high)
        axes.set_xticks(path["pairs"])
    axes.set_xlabel("pairs of seeds")


@draw_panel.register
def _plane(panel: Plane, axes: Axes) -> None:
    for style, points in panel.lines:
        markers = {"markersize": 3.6, "markerfacecolor": "none", "markeredgewidth": 0.7}
        axes.plot(points["across"], points["up"], **line_options(style) | markers)
    xlim = (panel.x - panel.half, panel.x + panel.half)
    ylim = (panel.y - panel.half, panel.y + panel.half)
    axes.set(xlim=xlim, ylim=ylim, aspect="equal", anchor="W")
    axes.locator_params(nbins=5)


@draw_panel.register
def _over_epochs(panel: OverEpochs, axes: Axes) -> None:
    """Means over seeds; a log scale if the values span more than a factor of ten."""
    for index, (style, epochs) in enumerate(panel.lines):
        every = max(len(epochs) // 6, 1)
        markers = (index % every, every)
        axes.plot(epochs["epoch"], epochs[panel.metric], markevery=markers, **line_options(style))
    values = np.concatenate([epochs[panel.metric] for _, epochs in panel.lines])
    if panel.percent:
        axes.yaxis.set_major_formatter(_per_cent)
    elif 0 < 10 * values.min() < values.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch")
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _per_cent(value: float, _: float) -> str:
    """A fraction as the label of a tick."""
    return f"{100 * value:.6g} %"


def _alphas(axes: Axes, alphas: list[float]) -> dict[float, float]:
    """Ticks at the alphas that were run, evenly spaced if labels at their true distances would overlap."""
    gap = float(np.min(np.diff(alphas))) / (alphas[-1] - alphas[0])
    to_scale = gap >= 0.09
    positions = {alpha: alpha if to_scale else float(index) for index, alpha in enumerate(alphas)}
    axes.set_xticks(list(positions.values()), [f"{alpha:g}" for alpha in alphas])
    axes.tick_params(axis="x", labelrotation=90 if len(alphas) > 8 else 0)
    axes.set_xlabel("smoothing α" if to_scale else "smoothing α (spacing not to scale)")
    return positions
