"""Tables and figures from run records. Records are the source; everything here can be rebuilt from them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.analysis.results import Stored, stored

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"[=+\-@\t\r]")


def build(
    folder: Path, runs: "pd.DataFrame", summary: "pd.DataFrame", *, command: str, missing: Sequence[str]
) -> None:
    """Write runs.csv, summary.csv, report.md, report.html and figures/ into ``folder``, from `aggregate`'s
    tables; and reliability.csv and training.csv, from what the store beside ``folder`` has of these runs.
    What `lsbench probe` has found of the penultimate layer is shown too, and removed where it is of others.

    ``missing`` names the sweep's runs that have no record. Equal records give equal bytes. Raises
    `StorageError`, naming the path, where a file cannot be written or one of the store does not parse.
    """
    from lsbench.analysis import traces
    from lsbench.report import penultimate
    from lsbench.report.figures import geometry
    from lsbench.report.figures.files import write as write_figures
    from lsbench.report.figures.sweep_figures import KINDS, plates
    from lsbench.report.markdown import report
    from lsbench.report.page import page
    from lsbench.store.files import write_atomically

    bins, epochs = traces.bins(folder.parent, runs), traces.epochs(folder.parent, runs)
    several = len(summary[["data", "model"]].drop_duplicates()) > 1
    penultimate.remove_stale(folder, runs)
    points = penultimate.points(folder, runs)
    shown = [*plates(summary, bins, epochs), *geometry.plates(points, several)]
    files = {"runs.csv": to_csv(runs), "summary.csv": to_csv(summary)}
    files |= {"reliability.csv": to_csv(bins), "training.csv": to_csv(epochs)}
    facts: Any = {"command": command, "missing": missing, "plates": shown}
    facts["ratios"] = penultimate.ratios(folder.parent, runs)
    files["report.md"] = report(runs, summary, **facts).encode()
    drawn = write_figures(folder / "figures", shown, [*KINDS, geometry.KIND])
    files["report.html"] = page(runs, summary, **facts, drawn=drawn)
    for file, content in files.items():
        write_atomically(folder / file, content)


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


def _neutral(value: object) -> object:
    if not isinstance(value, str):
        return value
    lines = "\n".join(value.splitlines())  # the csv module leaves a lone CR unquoted: it would end the row
    return f"'{lines}" if FORMULA.match(value) else lines


def rebuild(results_dir: str | Path, name: str) -> Stored:
    """Write the report of sweep ``name`` again. Raises what `stored` and `build` raise."""
    found = stored(results_dir, name)
    build(found.folder, found.runs, found.summary, command=found.sweep.command, missing=found.missing)
    return found
