"""The comparison of one data set and model as cells of text, for the Markdown report and for the terminal."""

import math
from collections.abc import Callable, Sequence

import pandas as pd

from lsbench.report.aggregate import Row, as_rows, brief, varying

NOTHING = "—"


def comparison(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows: per cell the means that matter, and for accuracy the interval and Δ."""
    extras: dict[str, Callable[[Row], str]] = {name: _setting(name) for name in varying(table)}
    columns: dict[str, Callable[[Row], str]] = {
        "method": _setting("method"),
        **extras,
        "α": _setting("alpha"),
        "n": _setting("n"),
        "failed": _setting("n_failed"),
        "accuracy %": lambda row: spread(row, "test_accuracy", 2, 100),
        "Δ accuracy, points": lambda row: difference(row, "test_accuracy"),
        "p (Holm)": lambda row: probability(row["test_accuracy_p_holm"]),
        "NLL": lambda row: number(row["test_nll_mean"], 4),
        "ECE %": lambda row: number(row["test_ece_mean"], 2, 100),
        "floor %": lambda row: number(row.get("test_ece_floor_mean", math.nan), 2, 100),
        "gap %": lambda row: number(row["test_confidence_gap_mean"], 2, 100, sign=True),
        "T": lambda row: number(row["temperature_mean"], 2) + ("†" if row["n_flagged"] else ""),
        "ECE % scaled": lambda row: number(row["test_ece_ts_mean"], 2, 100),
        "floor % scaled": lambda row: number(row.get("test_ece_floor_ts_mean", math.nan), 2, 100),
        "ECE − T alone, points": _against_scaling,
        "NLL scaled": lambda row: number(row["test_nll_ts_mean"], 4),
    }
    if not table["n_failed"].any():
        del columns["failed"]
    return list(columns), [[text(row) for text in columns.values()] for row in as_rows(table)]


def number(value: float, digits: int, scale: float = 1, *, sign: bool = False) -> str:
    """A rounded number with a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    rounded = round(value * scale, digits) + 0.0  # + 0.0 turns −0.0 into 0.0
    return f"{rounded:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def spread(row: Row, metric: str, digits: int, scale: float = 1) -> str:
    """mean ± half the width of its interval."""
    mean, half = row[f"{metric}_mean"], row[f"{metric}_high"] - row[f"{metric}_mean"]
    return number(mean, digits, scale) + ("" if math.isnan(half) else f" ± {number(half, digits, scale)}")


def difference(row: Row, metric: str) -> str:
    """Δ [low, high] of a fraction, in points of per cent."""
    if row["baseline"] == row["cell"]:
        return "baseline"
    names = (f"{metric}_{name}" for name in ("diff", "diff_low", "diff_high"))
    diff, low, high = (number(row[name], 2, 100, sign=True) for name in names)
    return diff if low == NOTHING else f"{diff} [{low}, {high}]"


def _against_scaling(row: Row) -> str:
    """How far smoothing as trained is from temperature scaling without smoothing."""
    if row["unsmoothed"] == row["cell"]:
        return "T alone"
    return difference(row, "test_ece_vs_ts")


def probability(p: float) -> str:
    """p to three digits; below 0.001 only that."""
    return "<0.001" if p < 0.001 else number(p, 3)


def padded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Header and rows with cells as wide as their column, the first to the left, the others to the right."""
    lined = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lined, strict=True)]
    places = range(len(header))
    return [[f"{line[i]:{'>' if i else '<'}{widths[i]}}" for i in places] for line in lined]


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads as plain text too."""
    first, *rest = padded([title.rjust(3) for title in header], rows)  # a rule needs three characters
    rule = ["-" * (len(cell) - bool(i)) + ":" * bool(i) for i, cell in enumerate(first)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (first, rule, *rest))


def fixed_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, expendable: Sequence[str]
) -> str:
    """A table for a terminal; while it passes ``width`` characters, ``expendable`` columns go, in order."""
    lined = padded(header, rows)
    for title in expendable:
        if len("  ".join(lined[0])) > width and title in header:
            place = [cell.strip() for cell in lined[0]].index(title)
            lined = [[*line[:place], *line[place + 1 :]] for line in lined]
    first, *rest = ("  ".join(line) for line in lined)
    return "\n".join([first, "-" * len(first), *rest])


def _setting(name: str) -> Callable[[Row], str]:
    return lambda row: brief(row[name])
