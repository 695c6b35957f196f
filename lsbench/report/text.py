"""Blocks as text for a terminal."""

import shutil
import textwrap
from collections.abc import Iterable

from lsbench.formatting import TERMINAL_WIDTH, compact, fixed_table
from lsbench.report import document as doc


def width() -> int:
    """The number of characters in a line: that of the terminal or in COLUMNS, else `TERMINAL_WIDTH`."""
    return max(shutil.get_terminal_size((TERMINAL_WIDTH, 24)).columns, 20)


def wrapped(text: str, indent: str = "  ") -> str:
    """The text in lines that fit and can be read, the further ones with an ``indent``."""
    columns = min(width(), TERMINAL_WIDTH)
    return textwrap.fill(text, columns, subsequent_indent=indent, break_on_hyphens=False)


def render(blocks: Iterable[doc.Prose | doc.Table | doc.Section]) -> str:
    """The blocks, with an empty line between them. Tables leave out their ``expendable`` columns where they
    are wider than `width`."""
    return "\n\n".join(map(_block, blocks))


def _block(block: doc.Block) -> str:
    match block:
        case doc.Prose():
            return doc.plain(block.text)
        case doc.Lead():
            return "\n".join(wrapped(text, "") for text in block.texts)
        case doc.Table():
            rows = [[compact(doc.plain(cell)) for cell in row] for row in block.rows]
            return fixed_table(block.header, rows, width(), block.expendable)
        case doc.Section():
            return "\n\n".join([block.title, *map(_block, block.blocks)])
        case _:
            raise TypeError(f"{type(block).__name__}: a block for pages only")
