"""A report's figures as files.

contents.py says which there are and what is in each (a `FigureSpec`, plate.py), captions.py what to say of it;
drawing.py, panels.py, layout.py and marks.py draw it. geometry.py has the figure of `lsbench probe`.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench.store.files import remove, write_atomically

if TYPE_CHECKING:
    from lsbench.report.figures.spec import FigureSpec


def write(folder: Path, plates: "Sequence[FigureSpec]", kinds: Iterable[str]) -> dict[str, bytes]:
    """Put the figures into ``folder``, a PNG and an SVG each, and return the SVGs by their names. Others of
    these ``kinds`` are removed.

    Each has in its metadata a hash of what is drawn and of what draws it. Where that is there already the
    figure stays as it is, since drawing takes longer than the rest of a report.
    """
    drawn = {}
    for plate in plates:
        source = plate.source()
        png, svg = (folder / f"{plate.name}.{kind}" for kind in ("png", "svg"))
        if not (_holds(png, source) and _holds(svg, source)):
            from lsbench.report.figures.draw import draw

            for kind, content in draw(plate, source).items():
                write_atomically(folder / f"{plate.name}.{kind}", content)
        drawn[plate.name] = svg.read_bytes()
    _remove_stale(folder, kinds, drawn)
    return drawn


def _holds(path: Path, text: str) -> bool:
    return path.exists() and text.encode() in path.read_bytes()


def _remove_stale(folder: Path, kinds: Iterable[str], names: Collection[str]) -> None:
    """Remove all figures of these ``kinds`` but ``names``: those of an earlier sweep of this name would
    contradict the new tables."""
    for path in (path for kind in kinds for path in folder.glob(f"{kind}*.*")):
        if path.stem not in names and path.suffix in (".png", ".svg"):
            remove(path)
