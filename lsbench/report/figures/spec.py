"""A figure before it is drawn."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from lsbench.report.figures.layout import SIZE, Size
from lsbench.report.figures.marks import LineStyle

DRAWS = ("draw.py", "panels.py", "layout.py", "marks.py")  # beside this file

Series = tuple[tuple[LineStyle, pd.DataFrame], ...]


@dataclass(frozen=True)
class Panel:
    """``draw`` names a function of panels.py, which gets ``lines`` and ``options``."""

    title: str
    draw: str
    lines: Series
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FigureSpec:
    """``name`` is its file's, ``kind`` what it shows, ``pair`` the data set and model, ``caption`` how to
    read it, and ``alt`` what can be seen in it, in numbers. ``size`` is that of a panel."""

    name: str
    kind: str
    pair: str
    title: str
    panels: tuple[Panel, ...]
    legend: tuple[LineStyle, ...]
    caption: str
    alt: str
    size: Size = SIZE

    def source(self) -> str:
        """A hash of all that is drawn and of what draws it: equal hashes, equal figures."""
        digest = hashlib.sha256(_made_with() + repr((self.title, self.pair, self.legend, self.size)).encode())
        for panel in self.panels:
            digest.update(repr((panel.title, panel.draw, panel.options)).encode())
            for line, table in panel.lines:
                digest.update(repr(line).encode() + table.to_csv(index=False).encode())
        return digest.hexdigest()


@cache
def _made_with() -> bytes:
    code = [(Path(__file__).parent / name).read_bytes() for name in DRAWS]
    return b"".join([version("matplotlib").encode(), *code])
