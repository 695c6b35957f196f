"""Figure of three classes in the penultimate layer, from the points in geometry.csv."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsbench.formatting import format_setting, number
from lsbench.report.figures.spec import FigureSpec, LineStyle, Plane

KIND = "geometry"
SIZE = (240, 240)
# Colours of Okabe and Ito (2008) that differ in grey too; filled markers would hide those behind them.
LOOKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#000000", "^"))
CAPTION = (
    "Inputs of the last layer for images of three classes, projected onto the plane through the three "
    "classes' templates, which are the rows of its weights (figure 1 of Müller et al. 2019). The axes of a "
    "run's train and test panels have the same limits; those of two runs differ."
)
ALT = "Scatter within the three classes over that between them, for these points."


def figure_specs(points: pd.DataFrame, several: bool) -> Iterator[FigureSpec]:
    """A figure for each data set and model in ``points``: train and test rows of the plain run and of the
    smoothed run. ``several`` says that the sweep has more than one, so that names include them."""
    if points.empty:
        return
    for (data, model), table in points.groupby(["data", "model"], sort=False):
        classes = list(dict.fromkeys(table["class"]))
        styles = {
            name: LineStyle(f"class {name}", colour, marker, dash="", hollow=True)
            for name, (colour, marker) in zip(classes, LOOKS, strict=False)
        }
        panels, scatters = [], []
        for (_, alpha), run in table.groupby(["run", "alpha"], sort=False):
            x, y, half = _limits(run)
            for split, rows in run.groupby("split", sort=False):
                series = tuple((styles[name], group) for name, group in rows.groupby("class", sort=False))
                title = f"α = {format_setting(alpha)}, {split}"
                panels.append(Plane(title, series, x, y, half))
                scatters.append(f"{title}: {number(_scatter(rows), 3)}.")
        method, seed = table["method"].iloc[0], table["seed"].iloc[0]
        facts = ["Penultimate layer", *([method] if method != "none" else []), f"seed {seed}"]
        yield FigureSpec(
            name=f"{KIND}-{data}-{model}" if several else KIND,
            kind=KIND,
            part=f"{data}, {model}",
            title=", ".join(facts),
            panels=tuple(panels),
            legend=tuple(styles.values()),
            caption=CAPTION,
            alt=f"{ALT} {' '.join(scatters)}",
            size=SIZE,
        )


def _limits(run: pd.DataFrame) -> tuple[float, float, float]:
    """The centre of all points, across and up, and half the width of a square that holds them."""
    low, high = run[["across", "up"]].min(), run[["across", "up"]].max()
    centre = (low + high) / 2
    return float(centre["across"]), float(centre["up"]), 0.55 * max(float((high - low).max()), 1e-9)


def _scatter(rows: pd.DataFrame) -> float:
    """Trace of the within-class scatter over that of the between-class scatter."""
    axes = ["across", "up"]
    points, means = rows[axes].to_numpy(), rows.groupby("class")[axes].transform("mean").to_numpy()
    within = float(np.square(points - means).sum())
    between = float(np.square(means - points.mean(axis=0)).sum())
    return within / between if between else float("nan")
