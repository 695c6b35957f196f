"""Tables and figures from run records. Records are the source; everything here can be rebuilt from them."""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench import __version__
from lsbench.terms import StorageError

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"[=+\-@\t\r]")
TERMINAL_WIDTH = 100
LEFT_OUT = ("p (Holm)", "ECE − T alone, points")  # from the terminal's table, which has no room for them
# go in this order where the terminal is too narrow
EXPENDABLE = ("floor %", "gap %", "T", "NLL", "floor·T", "NLL·T", "ECE %")
NOTE = (
    "Δ: accuracy against the baseline, paired by seed, 95 % interval. ·T: after temperature scaling.\n"
    "floor: the ECE that a perfectly calibrated model with these confidences would show."
)
SHORT = {
    "Δ accuracy, points": "Δ points",
    "ECE % scaled": "ECE·T",
    "floor % scaled": "floor·T",
    "NLL scaled": "NLL·T",
}


def build(
    folder: Path, runs: "pd.DataFrame", summary: "pd.DataFrame", *, command: str, missing: Sequence[str]
) -> None:
    """Write runs.csv, summary.csv, report.md and figures/ into ``folder``, from `aggregate`'s tables.

    ``missing`` names the sweep's runs that have no record. Equal tables give equal bytes. Raises
    `StorageError`, naming the path, where a file cannot be written.
    """
    from lsbench.report.markdown import report
    from lsbench.storage import write_atomically

    table = to_csv(summary)
    figures = _draw(folder / "figures", summary, table)
    text = report(runs, summary, command=command, missing=missing, figures=figures)
    files = {"runs.csv": to_csv(runs), "summary.csv": table, "report.md": text.encode()}
    for file, content in files.items():
        write_atomically(folder / file, content)


def _draw(folder: Path, summary: "pd.DataFrame", table: bytes) -> list[str]:
    """Put the figures of ``summary`` into ``folder`` and return their names.

    Each names its source in its metadata, a hash of the table and of what draws it; where all of them are
    there already they stay, since drawing takes longer than the rest of a report.
    """
    from lsbench.report.aggregate import drawable
    from lsbench.storage import write_atomically

    made_with = f"lsbench {__version__}, matplotlib {version('matplotlib')}"
    source = hashlib.sha256(table + made_with.encode()).hexdigest()
    parts = drawable(summary)
    names = [f"{name}.{kind}" for name in parts for kind in ("png", "svg")]
    if not all(_holds(folder / name, source) for name in names):
        from lsbench.report.figures import alpha_figures

        for name, content in alpha_figures(parts, source).items():
            write_atomically(folder / name, content)
    _remove_stale(folder, names)
    return names


def _holds(path: Path, text: str) -> bool:
    return path.exists() and text.encode() in path.read_bytes()


def to_csv(frame: "pd.DataFrame") -> bytes:
    """CSV in UTF-8: numbers as Python's repr has them, empty cells for null.

    Text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, "CSV injection").
    """
    from pandas.api.types import is_numeric_dtype

    safe = frame.copy()
    for column in safe.columns:
        if not is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(_neutral, na_action="ignore")
    return safe.to_csv(index=False, lineterminator="\n").encode()


def terminal_table(summary: "pd.DataFrame") -> str:
    """The comparison as text of at most 100 columns, a table for each data set and model."""
    from lsbench.report.aggregate import tables
    from lsbench.report.comparison import comparison, fixed_table

    blocks = []
    for data, model, table in tables(summary):
        header, rows = comparison(table)
        kept = [place for place, title in enumerate(header) if title not in LEFT_OUT]
        tight = [[row[place].replace(" ± ", "±").replace(", ", ",") for place in kept] for row in rows]
        text = fixed_table(
            [SHORT.get(header[place], header[place]) for place in kept], tight, TERMINAL_WIDTH, EXPENDABLE
        )
        blocks.append(f"{data}, {model}\n\n{text}")
    return "\n\n".join([*blocks, NOTE])


def _neutral(value: object) -> object:
    if not isinstance(value, str):
        return value
    lines = "\n".join(
        value.splitlines()
    )  # a lone CR would end the row, for the csv module leaves it unquoted
    return f"'{lines}" if FORMULA.match(value) else lines


def _remove_stale(folder: Path, names: Sequence[str]) -> None:
    """Figures of an earlier sweep of this name would contradict the new tables."""
    for path in folder.glob("alpha*.*"):
        if path.name not in names and path.suffix in (".png", ".svg"):
            try:
                path.unlink()
            except OSError as error:
                raise StorageError(f"{path}: cannot be removed ({error.strerror})") from error
