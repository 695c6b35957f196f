"""A report's figures as files."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lsbench.report.figures.spec import FigureSpec
from lsbench.store.files import remove, write_atomically


@dataclass(frozen=True)
class PageFigure:
    """Panels and legend keys of a figure as SVG elements for the page, and its `FigureSpec.content_hash`."""

    source: str
    panels: tuple[str, ...]
    keys: tuple[str, ...]


def write(folder: Path, specs: Sequence[FigureSpec], kinds: Iterable[str]) -> dict[str, PageFigure]:
    """Write each figure into ``folder`` as NAME.png and NAME.svg and return what the page needs, by name.
    Other figures of these ``kinds`` are removed.

    A figure whose files hold the hash of its content is not drawn again, since drawing takes longer than the
    rest of a report; the elements for the page are in .NAME.json.
    """
    figures = {}
    for spec in specs:
        source = spec.content_hash()
        png, svg, stored = (folder / file for file in _file_names(spec.name))
        figure = _read(stored)
        if not (figure and figure.source == source and _holds(png, source) and _holds(svg, source)):
            from lsbench.report.figures.draw import draw

            drawing = draw(spec, source)
            figure = PageFigure(source, drawing.panels, drawing.keys)
            write_atomically(png, drawing.png)
            write_atomically(svg, drawing.svg)
            write_atomically(stored, json.dumps(asdict(figure)).encode())
        figures[spec.name] = figure
    _remove_stale(folder, kinds, figures)
    return figures


def _file_names(name: str) -> tuple[str, str, str]:
    return f"{name}.png", f"{name}.svg", f".{name}.json"


def _holds(path: Path, text: str) -> bool:
    return path.exists() and text.encode() in path.read_bytes()


def _read(path: Path) -> PageFigure | None:
    """The stored elements; None if there are none or the file is damaged."""
    try:
        content = json.loads(path.read_bytes())
        return PageFigure(content["source"], tuple(content["panels"]), tuple(content["keys"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _remove_stale(folder: Path, kinds: Iterable[str], names: Collection[str]) -> None:
    """Remove the figures of these ``kinds`` other than ``names``: those of an earlier sweep with this name
    would contradict the new tables."""
    current = {file for name in names for file in _file_names(name)}
    for kind in kinds:
        for pattern in _file_names(f"{kind}*"):
            for path in folder.glob(pattern):
                if path.name not in current:
                    remove(path)
