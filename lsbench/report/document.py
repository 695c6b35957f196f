"""Documents as blocks, built once and rendered by html.py, markdown.py and, for a terminal, text.py.

Text is a plain string or a tuple of pieces. A string is always text: no renderer interprets markup in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lsbench.report.figures.spec import FigureSpec


@dataclass(frozen=True)
class Styled:
    """Text with a style, which the subclass names."""

    text: str


class Code(Styled):
    """A name or a command, in a fixed-width font."""


class Strong(Styled):
    """A term or the subject of a paragraph."""


class Emphasis(Styled):
    """A word that is defined or stressed."""


class VerdictLabel(Styled):
    """A verdict, which is the last word of the label ("exploratory: supported")."""


@dataclass(frozen=True)
class Link(Styled):
    """A link to the section with this title."""

    section: str


Text = str | tuple[str | Styled, ...]
PIECES = (Code, Strong, Emphasis, VerdictLabel, Link)


def pieces(text: Text) -> tuple[str | Styled, ...]:
    """The pieces of a text."""
    return (text,) if isinstance(text, str) else text


def plain(text: Text) -> str:
    """A text without its styles."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces(text))


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: Text


@dataclass(frozen=True)
class Lead:
    """The paragraphs that a report begins with."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """An item of a list, with a list of its own below it."""

    text: Text
    items: tuple["Item", ...] = ()


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    values: Mapping[str, Text]


@dataclass(frozen=True)
class Table:
    """A table of text cells; ``label`` says what it holds.

    On the page the rows ``highlighted`` are shaded, which ``note`` explains, a line separates the rows
    ``groups`` from the ones before, and a switch shows the columns ``further``, which Markdown leaves out.
    ``prose_like`` tables hold long texts, which may be broken anywhere. A terminal for which the table is too
    wide leaves out ``expendable`` groups of columns, in this order.
    """

    label: str
    header: Sequence[str]
    rows: Sequence[Sequence[Text]]
    highlighted: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    further: frozenset[int] = frozenset()
    note: str = ""
    prose_like: bool = False
    expendable: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class FigureRef:
    """A figure, which the page holds and Markdown links to."""

    spec: FigureSpec


@dataclass(frozen=True)
class Details:
    """Blocks that are collapsed on the page and left out of Markdown: the CSV files have the same numbers."""

    summary: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Section:
    """A heading with its blocks and subsections."""

    title: str
    blocks: tuple["Block", ...]


PROVENANCE = "Provenance"  # the title above a document's facts

Block = Prose | Lead | Bullets | Facts | Table | FigureRef | Details | Section
BLOCKS = (Prose, Lead, Bullets, Facts, Table, FigureRef, Details, Section)


@dataclass(frozen=True)
class Document:
    """A report. ``kind`` names what wrote it; ``facts``, its provenance, stand at the end; ``files`` says
    what is in each file of its folder."""

    kind: str
    title: str
    facts: Mapping[str, Text]
    sections: tuple[Section, ...]
    files: Mapping[str, str] = field(default_factory=dict)
