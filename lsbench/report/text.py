"""Blocks as text for a terminal."""

from collections.abc import Iterable

from lsbench.formatting import TERMINAL_WIDTH, compact, fixed_table
from lsbench.report import document as doc


def render(blocks: Iterable[doc.Prose | doc.Table | doc.Section]) -> str:
    """The blocks, with an empty line between them. Tables leave out their ``expendable`` columns where they
    are wider than `TERMINAL_WIDTH`."""
    return "\n\n".join(map(_block, blocks))


def _block(block: doc.Block) -> str:
    match block:
        case doc.Prose():
            return doc.plain(block.text)
        case doc.Table():
            rows = [[compact(doc.plain(cell)) for cell in row] for row in block.rows]
            return fixed_table(block.header, rows, TERMINAL_WIDTH, block.expendable)
        case doc.Section():
            return "\n\n".join([block.title, *map(_block, block.blocks)])
        case _:
            raise TypeError(f"{type(block).__name__}: a block for pages only")
