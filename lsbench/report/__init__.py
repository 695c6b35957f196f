"""Tables and figures from run records. Records are the source; everything here can be rebuilt from them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.terms import StorageError

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.report.plate import Plate

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
    """Write runs.csv, summary.csv, report.md, report.html and figures/ into ``folder``, from `aggregate`'s
    tables; and reliability.csv and training.csv, from what the store beside ``folder`` has of these runs.

    ``missing`` names the sweep's runs that have no record. Equal records give equal bytes. Raises
    `StorageError`, naming the path, where a file cannot be written or one of the store does not parse.
    """
    from lsbench.report import traces
    from lsbench.report.markdown import report
    from lsbench.report.page import page
    from lsbench.report.plates import plates
    from lsbench.storage import write_atomically

    bins, epochs = traces.bins(folder.parent, runs), traces.epochs(folder.parent, runs)
    shown = list(plates(summary, bins, epochs))
    files = {"runs.csv": to_csv(runs), "summary.csv": to_csv(summary)}
    files |= {"reliability.csv": to_csv(bins), "training.csv": to_csv(epochs)}
    facts: Any = {"command": command, "missing": missing, "plates": shown}
    files["report.md"] = report(runs, summary, **facts).encode()
    files["report.html"] = page(runs, summary, **facts, drawn=illustrate(folder / "figures", shown))
    for file, content in files.items():
        write_atomically(folder / file, content)


def illustrate(folder: Path, plates: "Sequence[Plate]") -> dict[str, bytes]:
    """Put the figures into ``folder``, a PNG and an SVG each, and return the SVGs by their names.

    Each has in its metadata a hash of what is drawn and of what draws it. Where that is there already the
    figure stays as it is, since drawing takes longer than the rest of a report.
    """
    from lsbench.storage import write_atomically

    drawn = {}
    for plate in plates:
        source = plate.source()
        png, svg = (folder / f"{plate.name}.{kind}" for kind in ("png", "svg"))
        if not (_holds(png, source) and _holds(svg, source)):
            from lsbench.report.figures import draw

            for kind, content in draw(plate, source).items():
                write_atomically(folder / f"{plate.name}.{kind}", content)
        drawn[plate.name] = svg.read_bytes()
    _remove_stale(folder, set(drawn))
    return drawn


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


def _remove_stale(folder: Path, names: Collection[str]) -> None:
    """Figures of an earlier sweep of this name would contradict the new tables."""
    from lsbench.report.plates import KINDS

    for path in (path for kind in KINDS for path in folder.glob(f"{kind}*.*")):
        if path.stem not in names and path.suffix in (".png", ".svg"):
            try:
                path.unlink()
            except OSError as error:
                raise StorageError(f"{path}: cannot be removed ({error.strerror})") from error
