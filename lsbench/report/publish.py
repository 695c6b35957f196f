"""Tables and figures from run records. Records are the source; everything here can be rebuilt from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.analysis.results import Stored, stored
from lsbench.store.files import to_csv, write_atomically
from lsbench.store.sweeps import read_sweep

if TYPE_CHECKING:
    import pandas as pd


def publish(results_dir: str | Path, name: str) -> int:
    """Write the report of sweep ``name`` from its stored runs, print it and return the exit code.

    The exit code is 1 if a run is missing, failed or diverged, or a claim could not be judged, else 0.

    A sweep of claims has claims.html and claims.md, any other sweep report.html and report.md. Raises
    `UsageError` for an unknown sweep, `StorageError` for files that cannot be read or written.
    """
    from lsbench.report import claims_publish, terminal

    if read_sweep(results_dir, name).claims:
        return claims_publish.publish(results_dir, name)
    return terminal.publish(results_dir, name)


def describe(results_dir: str | Path, name: str) -> tuple[dict[str, Any], int]:
    """Write the report as `publish` does and return it as JSON values, with the exit code."""
    from lsbench.report import claims_publish, json_report

    if read_sweep(results_dir, name).claims:
        return claims_publish.describe(results_dir, name)
    return json_report.describe(results_dir, name)


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


def rebuild(results_dir: str | Path, name: str) -> Stored:
    """Write the report of sweep ``name`` again. Raises what `stored` and `build` raise."""
    found = stored(results_dir, name)
    build(found.folder, found.runs, found.summary, command=found.sweep.command, missing=found.missing)
    return found
