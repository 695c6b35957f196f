"""Numbers and tables as text: the same digits, signs and dashes everywhere."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DASH = "—"
TERMINAL_WIDTH = 100
# Markup in Markdown; an underscore within a word or a single bracket is not.
MARKUP = r"[\\`*]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=\()|(?<![^\W_])_|_(?![^\W_])"


def one_line(text: str) -> str:
    """``text`` as one line, with escapes in place of control characters, which a terminal would obey."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def escape_markdown(text: str) -> str:
    """Text for Markdown that shows as it is."""
    return re.sub(MARKUP, r"\\\g<0>", text)


def image(alt: str, path: str) -> str:
    """An image in Markdown; ``alt`` is text."""
    safe = re.sub(rf"{MARKUP}|[\[\]]", r"\\\g<0>", alt)
    return f"![{safe}]({path})"


def code(text: str) -> str:
    """Text as code in Markdown; it may hold backticks."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def format_setting(value: Any) -> str:
    """A setting for reading: 0.1 rather than 0.1000, and none if the run does not have it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def count(number: int, thing: str) -> str:
    """1 stack, 2 stacks, 3 processes."""
    plural = "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural if number != 1 else ''}"


def number(value: float, digits: int, scale: float = 1, *, sign: bool = False) -> str:
    """A rounded number with a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return DASH
    rounded = round(value * scale, digits) + 0.0  # + 0.0 turns −0.0 into 0.0
    return f"{rounded:{'+' if sign else ''}.{digits}f}".replace("-", "−")


@dataclass(frozen=True)
class Unit:
    """A unit: values are written times ``scale``, with ``digits`` decimals, followed by ``name``."""

    name: str
    scale: float
    digits: int

    def number(self, value: float, *, sign: bool = False) -> str:
        """The value in this unit, without its name; a dash for NaN."""
        return number(value, self.digits, self.scale, sign=sign)

    def write(self, value: float, *, sign: bool = False) -> str:
        """The value with the unit's name; a dash for NaN."""
        text = self.number(value, sign=sign)
        return text if text == DASH else text + self.name


POINTS = Unit(" points", 100, 2)
NATS = Unit(" nats", 1, 4)
EPOCHS = Unit(" epochs", 1, 1)
PER_CENT = Unit(" %", 100, 1)


def plus_minus(mean: float, half: float, digits: int, scale: float = 1) -> str:
    """mean ± half; the mean alone if ``half`` is NaN, and a dash if the mean is NaN."""
    text = number(mean, digits, scale)
    return text if math.isnan(half) else f"{text} ± {number(half, digits, scale)}"


def probability(p: float) -> str:
    """p to three digits, or <0.001."""
    return "<0.001" if p < 0.001 else number(p, 3)


def compact(cell: str) -> str:
    """A table cell for the terminal, where space is scarce."""
    return cell.replace(" ± ", "±").replace(", ", ",")


def padded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Header and rows padded to the width of their columns; all but the first are right-aligned."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text in Markdown that is readable as plain text too."""
    titles, *cells = ([escape_markdown(cell).replace("|", r"\|") for cell in row] for row in (header, *rows))
    first, *rest = padded([title.rjust(3) for title in titles], cells)  # a rule needs three characters
    rule = ["-" * len(first[0]), *("-" * (len(cell) - 1) + ":" for cell in first[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (first, rule, *rest))


def fixed_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, expendable: Sequence[Sequence[str]]
) -> str:
    """A table for a terminal. While it is wider than ``width`` characters, groups of ``expendable`` columns
    are left out, in the order given."""
    lines = padded(header, rows)
    for titles in expendable:
        if len("  ".join(lines[0])) > width:
            shown = [i for i, cell in enumerate(lines[0]) if cell.strip() not in titles]
            lines = [[line[i] for i in shown] for line in lines]
    first, *rest = ("  ".join(line) for line in lines)
    return "\n".join([first, "-" * len(first), *rest])
