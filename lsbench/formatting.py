"""BySeed and tables as text: the same digits, signs and dashes everywhere."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

DASH = "—"
TERMINAL_WIDTH = 100
# What Markdown would read as markup, which an underscore within a word or a bracket by itself is not.
MARKUP = r"[\\`*]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=\()|(?<![^\W_])_|_(?![^\W_])"


def escape_markdown(text: str) -> str:
    """Text as it is, for Markdown."""
    return re.sub(MARKUP, r"\\\g<0>", text)


def image(alt: str, path: str) -> str:
    """An image in Markdown; ``alt`` is text."""
    safe = re.sub(rf"{MARKUP}|[\[\]]", r"\\\g<0>", alt)
    return f"![{safe}]({path})"


def code(text: str) -> str:
    """Text as code in Markdown, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " * ("`" in text)
    return f"{fence}{room}{text}{room}{fence}"


def format_setting(value: Any) -> str:
    """A setting for reading: 0.1 rather than 0.1000, and none where a run has no such thing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def number(value: float, digits: int, scale: float = 1, *, sign: bool = False) -> str:
    """A rounded number with a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return DASH
    rounded = round(value * scale, digits) + 0.0  # + 0.0 turns −0.0 into 0.0
    return f"{rounded:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def mean_ci(row: Mapping[str, Any], metric: str, digits: int, scale: float = 1) -> str:
    """mean ± half the width of its interval."""
    mean = row[f"{metric}_mean"]
    return plus_minus(mean, row[f"{metric}_high"] - mean, digits, scale)


def plus_minus(mean: float, half: float, digits: int, scale: float = 1) -> str:
    """mean ± half; the mean alone where ``half`` is NaN, and a dash where the mean is."""
    return number(mean, digits, scale) + ("" if math.isnan(half) else f" ± {number(half, digits, scale)}")


def floor(row: Mapping[str, Any], scaled: str) -> float:
    """The mean noise floor of ECE, as a fraction; ``scaled`` is "_ts" for that after temperature scaling. NaN
    where it was not measured."""
    return float(row.get(f"test_ece_floor{scaled}_mean", math.nan))


def difference(row: Mapping[str, Any], metric: str) -> str:
    """Δ [low, high] of a fraction, in points of per cent."""
    if row["baseline"] == row["cell"]:
        return "baseline"
    names = (f"{metric}_{name}" for name in ("diff", "diff_low", "diff_high"))
    diff, low, high = (number(row[name], 2, 100, sign=True) for name in names)
    return diff if low == DASH else f"{diff} [{low}, {high}]"


def probability(p: float) -> str:
    """p to three digits; below 0.001 only that."""
    return "<0.001" if p < 0.001 else number(p, 3)


def compact(cell: str) -> str:
    """A cell for the terminal, where room is scarce."""
    return cell.replace(" ± ", "±").replace(", ", ",")


def padded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Header and rows with cells as wide as their column, the first to the left, the others to the right."""
    lined = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lined, strict=True)]
    places = range(len(header))
    return [[f"{line[i]:{'>' if i else '<'}{widths[i]}}" for i in places] for line in lined]


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads as plain text too; its cells are text."""
    titles, *cells = ([escape_markdown(cell).replace("|", r"\|") for cell in row] for row in (header, *rows))
    first, *rest = padded([title.rjust(3) for title in titles], cells)  # a rule needs three characters
    rule = ["-" * (len(cell) - bool(i)) + ":" * bool(i) for i, cell in enumerate(first)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (first, rule, *rest))


def fixed_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, expendable: Sequence[Sequence[str]]
) -> str:
    """A table for a terminal; while it passes ``width`` characters, ``expendable`` columns go, in order,
    those of one item together."""
    lined = padded(header, rows)
    for titles in expendable:
        if len("  ".join(lined[0])) > width:
            kept = [place for place, cell in enumerate(lined[0]) if cell.strip() not in titles]
            lined = [[line[place] for place in kept] for line in lined]
    first, *rest = ("  ".join(line) for line in lined)
    return "\n".join([first, "-" * len(first), *rest])
