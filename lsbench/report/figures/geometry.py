"""The figure of three classes in the penultimate layer, from the points in geometry.csv."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsbench.formatting import format_setting, number
from lsbench.report.figures.marks import LineStyle
from lsbench.report.figures.spec import FigureSpec, Panel

KIND = "geometry"
SIZE = (240, 240)
# Of Okabe and Ito (2008), apart in grey too; the filled ones in front would hide the others, so all are thin.
LOOKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#000000", "^"))
CAPTION = (
    "What goes into the last layer for images of three classes, projected on the plane through the three "
    "classes' templates, which are the rows of its weights: figure 1 of Müller et al. 2019. Train and test "
    "rows of a run have the same limits; those of two runs differ."
)


def plates(points: pd.DataFrame, several: bool) -> Iterator[FigureSpec]:
    """A figure for each data set and model in ``points``: train and test rows of the plain run and of the
    smoothed one. ``several`` says whether the sweep has more than one, and names tell which."""
    if points.empty:
        return
    for (data, model), table in points.groupby(["data", "model"], sort=False):
        classes = list(dict.fromkeys(table["class"]))
        marks = tuple(
            LineStyle(f"class {name}", colour, marker, dash="", hollow=True)
            for name, (colour, marker) in zip(classes, LOOKS, strict=False)
        )
        of_class = dict(zip(classes, marks, strict=True))
        panels, told = [], []
        for (_, alpha), run in table.groupby(["run", "alpha"], sort=False):
            limits = _limits(run)
            for split, rows in run.groupby("split", sort=False):
                drawn = tuple((of_class[name], part) for name, part in rows.groupby("class", sort=False))
                panels.append(
                    Panel(f"α = {format_setting(alpha)}, {split}", "plane", drawn, {"limits": limits})
                )
                told.append(f"α = {format_setting(alpha)}, {split}: {number(_scatter(rows), 3)}.")
        method, seed = table["method"].iloc[0], table["seed"].iloc[0]
        title = ", ".join(["Penultimate layer", *([method] if method != "none" else []), f"seed {seed}"])
        suffix = f"-{data}-{model}" if several else ""
        alt = f"Scatter within the three classes over that between them, of these points. {' '.join(told)}"
        pair = f"{data}, {model}"
        yield FigureSpec(f"{KIND}{suffix}", KIND, pair, title, tuple(panels), marks, CAPTION, alt, SIZE)


def _limits(run: pd.DataFrame) -> tuple[float, float, float]:
    """The middle of all points, across and up, and half the width of a square that holds them."""
    low, high = run[["across", "up"]].min(), run[["across", "up"]].max()
    middle = (low + high) / 2
    return float(middle["across"]), float(middle["up"]), 0.55 * max(float((high - low).max()), 1e-9)


def _scatter(rows: pd.DataFrame) -> float:
    """Trace of the scatter within classes over that of the one between them."""
    axes = ["across", "up"]
    places, means = rows[axes].to_numpy(), rows.groupby("class")[axes].transform("mean").to_numpy()
    within = float(np.square(places - means).sum())
    between = float(np.square(means - places.mean(axis=0)).sum())
    return within / between if between else float("nan")
