"""What is drawn into one panel: a metric over alpha, a reliability diagram, a histogram, a training curve."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullFormatter,
    NullLocator,
)

from lsbench.report.figures.marks import GREY, LineStyle, as_scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lsbench.report.figures.spec import Series

GRID = "#e3e3e3"
FEWEST = 30  # predictions in a bin; below that its accuracy is noise and hides the rest


def _per_cent(value: float, _: float) -> str:
    """A fraction as the label of a tick."""
    return f"{100 * value:.6g} %"


def style(mark: LineStyle) -> dict[str, Any]:
    """A mark in matplotlib's words."""
    return {
        "color": mark.colour,
        "marker": mark.marker,
        "markersize": 4.5,
        "markerfacecolor": "white" if mark.hollow else None,
        "linestyle": mark.dash,
        "linewidth": 1.3,
    }


def over_alpha(axes: "Axes", lines: "Series", metrics: tuple[tuple[str, bool], ...], percent: bool) -> None:
    """Means over seeds with their 95 % t-intervals; ``metrics`` are columns and whether they are scaled."""
    positions = _alphas(axes, sorted({alpha for _, line in lines for alpha in line["alpha"]}))
    step = (max(positions.values()) - min(positions.values())) * min(0.018, 0.06 / len(lines))
    for index, (mark, line) in enumerate(lines):
        shift = (index - (len(lines) - 1) / 2) * step
        x = line["alpha"].map(positions) + shift  # side by side, or the bars would hide one another
        for metric, scaled in metrics:
            mean = line[f"{metric}_mean"]
            look = style(as_scaled(mark) if scaled else mark)
            axes.errorbar(x, mean, yerr=line[f"{metric}_high"] - mean, elinewidth=0.9, capsize=2, **look)
    if percent:
        axes.yaxis.set_major_formatter(_per_cent)
    if percent and len(metrics) > 1:
        axes.set_ylim(bottom=0)  # an error has a zero worth seeing
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _alphas(axes: "Axes", alphas: list[float]) -> dict[float, float]:
    """Ticks at the alphas that were run; evenly spaced where true distances would make labels collide."""
    gap = float(np.min(np.diff(alphas))) / (alphas[-1] - alphas[0])
    true = gap >= 0.09
    positions = {alpha: alpha if true else float(place) for place, alpha in enumerate(alphas)}
    axes.set_xticks(list(positions.values()), [f"{alpha:g}" for alpha in alphas])
    axes.tick_params(axis="x", labelrotation=90 if len(alphas) > 8 else 0)
    axes.set_xlabel("smoothing α" if true else "smoothing α (spacing not to scale)")
    return positions


def reliability(axes: "Axes", cases: "Series") -> None:
    """Accuracy over mean confidence, bin by bin, as trained and after scaling; on the diagonal they agree."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, zorder=1)
    for mark, bins in cases:
        for suffix, look in (("", mark), ("_ts", as_scaled(mark))):
            kept = bins[bins[f"n{suffix}"] >= FEWEST]
            n = kept[f"n{suffix}"]
            x, y = kept[f"confidence{suffix}"] / n, kept[f"correct{suffix}"] / n
            axes.plot(x, y, clip_on=False, **style(look))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(0.25))
        axis.set_major_formatter(_per_cent)
    axes.grid(color=GRID, linewidth=0.6)


def confidence(axes: "Axes", cases: "Series") -> None:
    """The share of predictions in each bin of confidence, as trained and after scaling; a log scale."""
    for mark, bins in cases:
        edges = [*bins["lower"], bins["upper"].iloc[-1]]
        middle = (bins["lower"] + bins["upper"]) / 2
        for suffix, look in (("", mark), ("_ts", as_scaled(mark))):
            share = bins[f"n{suffix}"] / bins[f"n{suffix}"].sum()
            drawn = style(look)
            axes.stairs(
                share.clip(lower=1e-9),
                edges,
                baseline=None,
                color=look.colour,
                linestyle=look.dash,
                linewidth=1.1,
            )
            axes.plot(middle, share.where(share > 0), **(drawn | {"linestyle": "", "markersize": 3.5}))
    axes.set(xlim=(0, 1), yscale="log", ylim=(5e-4, 1.3), xlabel="confidence", ylabel="share of predictions")
    axes.xaxis.set_major_locator(MultipleLocator(0.25))
    axes.xaxis.set_major_formatter(_per_cent)
    axes.yaxis.set_major_formatter(_per_cent)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=GRID, linewidth=0.6)


def forest(axes: "Axes", groups: "Series") -> None:
    """A row for each ``place``, from the top: its ``label``, and below that ``effect`` from ``low`` to
    ``high``, in margins. The band is a margin to either side, linear within and logarithmic outside."""
    rows = 1 + max(int(table["place"].max()) for _, table in groups)
    furthest = max(float(np.nanmax(table[["effect", "low", "high"]].abs())) for _, table in groups)
    reach = 1.25 * max(furthest, 2.4)
    axes.axvspan(-1, 1, color=GRID, zorder=0, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for mark, table in groups:
        y = table["place"] + 0.68
        axes.hlines(y, table["low"], table["high"], color=mark.colour, linewidth=1.6)
        axes.plot(table["effect"], y, **style(mark) | {"linestyle": "", "markersize": 6})
        for place, label in zip(table["place"], table["label"], strict=True):
            there: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            axes.annotate(label, (0, place + 0.43), xytext=(-44, 0), fontsize=8.5, **there)
            axes.axhline(place + 1, color=GRID, linewidth=0.6)
    axes.set(xlim=(-reach, reach), ylim=(rows, 0), yticks=[])
    axes.set_xscale("symlog", linthresh=1, linscale=0.6)
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= reach]
    places = [*(-tick for tick in reversed(ticks)), 0, *ticks]
    axes.set_xticks(places, [f"{place:+g}".replace("-", "−") if place else "0" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("effect in margins (to the right: as claimed)")
    axes.spines["left"].set_visible(False)


def plane(axes: "Axes", classes: "Series", limits: tuple[float, float, float]) -> None:
    """Points of a plane by class; ``limits`` are its middle, across and up, and half its width."""
    x, y, half = limits
    for mark, points in classes:
        look = style(mark) | {"markersize": 3.6, "markerfacecolor": "none", "markeredgewidth": 0.7}
        axes.plot(points["across"], points["up"], **look)
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal", anchor="W")
    axes.locator_params(nbins=5)


def over_epochs(axes: "Axes", curves: "Series", metric: str, percent: bool) -> None:
    """A column of the history, averaged over seeds, epoch by epoch; a log scale where it falls a long way."""
    for index, (mark, epochs) in enumerate(curves):
        every = max(len(epochs) // 6, 1)
        axes.plot(epochs["epoch"], epochs[metric], markevery=(index % every, every), **style(mark))
    values = np.concatenate([epochs[metric] for _, epochs in curves])
    if percent:
        axes.yaxis.set_major_formatter(_per_cent)
    elif 0 < 10 * values.min() < values.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch")
    axes.grid(axis="y", color=GRID, linewidth=0.6)
