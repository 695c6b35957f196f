"""Pieces of the page. Whatever comes from outside passes through `escape` here; nothing else makes tags."""

import re
import string
import textwrap
from collections.abc import Collection, Mapping, Sequence
from html import escape

from lsbench.formatting import DASH
from lsbench.report.figures.marks import LineStyle
from lsbench.report.page import svg

NUMBER = re.compile(r"[<+−-]?\d+(\.\d+)?(e[+-]?\d+)?(?=[\s†%]|$)")
# Markers as paths around 0, the size of matplotlib's own.
SHAPES = {
    "o": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "s": "M-2.7-2.7h5.4v5.4h-5.4z",
    "D": "M0-3.7L3.7 0 0 3.7-3.7 0z",
    "^": "M0-3.2L3.2 2.8H-3.2z",
    "v": "M0 3.2L3.2-2.8H-3.2z",
    "P": "M-1.1-3.2h2.2v2.1h2.1v2.2h-2.1v2.1h-2.2v-2.1h-2.1v-2.2h2.1z",
    "X": "M-3-1.5L-1.5-3 0-1.5 1.5-3 3-1.5 1.5 0 3 1.5 1.5 3 0 1.5-1.5 3-3 1.5-1.5 0z",
}
ASIDE = 0xE000  # characters for private use, which stand for those behind a backslash
BEHIND = rf"\\([{re.escape(string.punctuation)}])"
DASHES = {"-": "", "--": ' stroke-dasharray="5 2.5"', ":": ' stroke-dasharray="1.3 2"'}


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    label: str,
    *,
    classes: Mapping[int, str] | None = None,
    raw: Collection[int] = (),
    fixed: bool = True,
) -> str:
    """A sortable table in a box of its own that scrolls; ``label`` tells what it holds.

    ``classes`` are those of rows by their place; the cells of the columns ``raw`` are HTML already.
    ``fixed`` keeps the first column in view where the window is narrow.
    """
    numeric = [_is_numeric([row[place] for row in rows]) for place in range(len(header))]
    names = [' class="n"' if right else "" for right in numeric]
    titles = (f'<th scope="col"{names[place]}>{escape(text)}</th>' for place, text in enumerate(header))
    lines = []
    for index, row in enumerate(rows):
        cells = [text if place in raw else escape(text) for place, text in enumerate(row)]
        first, *rest = (f"{names[place]}>{text}" for place, text in enumerate(cells))
        extra = (classes or {}).get(index, "")
        opening = f'<tr class="{extra}">' if extra else "<tr>"
        lines.append(
            f'{opening}<th scope="row"{first}</th>{"".join(f"<td{cell}</td>" for cell in rest)}</tr>'
        )
    return (
        f'<div class="scroll{" first" * fixed}" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="sortable"><thead><tr>{"".join(titles)}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
    )


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether there are numbers in it, and beside them only words without any, such as “baseline”."""
    others = [text for text in column if not NUMBER.match(text)]
    return len(others) < len(column) and not any(re.search(r"\d", text) for text in others)


def facts(pairs: Mapping[str, str]) -> str:
    """Names and values, one below the other."""
    items = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
    return f'<dl class="facts">{"".join(items)}</dl>'


def prose(markdown: str) -> str:
    """Paragraphs and lists in lists, as the Markdown report has them."""
    parts = []
    for block in re.split(r"\n\s*\n", markdown.strip()):
        if block.startswith("- "):
            parts.append(_list(block))
        else:
            parts.append(f"<p>{inline(' '.join(block.split()))}</p>")
    return f'<div class="prose">{"".join(parts)}</div>'


def _list(block: str) -> str:
    items = []
    for item in re.split(r"^- ", block, flags=re.MULTILINE)[1:]:
        head, mark, inner = item.partition("\n  - ")
        inside = _list(textwrap.dedent(f"  - {inner}")) if mark else ""
        items.append(f"<li>{inline(' '.join(head.split()))}{inside}</li>")
    return f"<ul>{''.join(items)}</ul>"


def inline(markdown: str) -> str:
    """Escaped text with Markdown's `code`, **bold** and *emphasis*, and what a backslash keeps from these."""
    parts = re.split(r"`([^`]+)`", re.sub(BEHIND, _put_aside, markdown))
    plain = [re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(part)) for part in parts[::2]]
    plain = [re.sub(r"\*(\w.*?)\*", r"<em>\1</em>", part) for part in plain]
    codes = [f"<code>{escape(part)}</code>" for part in parts[1::2]]
    marked = "".join(text for pair in zip(plain, [*codes, ""], strict=True) for text in pair)
    return re.sub(f"[{chr(ASIDE)}-{chr(ASIDE + 127)}]", lambda m: escape(chr(ord(m[0]) - ASIDE)), marked)


def _put_aside(found: re.Match[str]) -> str:
    return chr(ASIDE + ord(found[1]))


def verdict(said: str) -> str:
    """A verdict as it may be shown, with a sign for its word that needs no colour."""
    if said == DASH:
        return said
    word = said.rpartition(" ")[2]
    return f'<span class="word {escape(word)}">{escape(said)}</span>'


def legend(marks: Sequence[LineStyle]) -> str:
    """The legend of a figure, which flows with the width of the page."""
    items = "".join(f"<li>{_swatch(mark)}{escape(mark.label)}</li>" for mark in marks)
    return f'<ul class="legend" aria-hidden="true">{items}</ul>'


def _swatch(mark: LineStyle) -> str:
    colour = svg.COLOURS.get(mark.colour.lower(), mark.colour)
    filling = "var(--paper)" if mark.hollow else colour
    line = f'<path d="M1 6h34" stroke-width="1.8"{DASHES[mark.dash]}/>' if mark.dash else ""
    return (
        f'<svg viewBox="0 0 36 12" style="stroke:{colour}">{line}<path d="{SHAPES[mark.marker]}" '
        f'transform="translate(18 6) scale(1.3)" style="fill:{filling}"/></svg>'
    )
