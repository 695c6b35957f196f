"""Tables and figures from run records. Records are the source; everything here can be rebuilt from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.store.files import to_csv, write_atomically
from lsbench.store.sweeps import read_sweep

if TYPE_CHECKING:
    from lsbench.analysis.results import SweepResults


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


def build(results: "SweepResults") -> None:
    """Write runs.csv, summary.csv, reliability.csv, training.csv, report.md, report.html and figures/ into
    the folder of ``results``. What `lsbench probe` has found of the penultimate layer is shown too, and
    removed where it is of other runs.

    Equal records give equal bytes. Raises `StorageError`, naming the path, where a file cannot be written or
    one of the store does not parse.
    """
    from lsbench.report import penultimate
    from lsbench.report.figures import geometry
    from lsbench.report.figures.files import write as write_figures
    from lsbench.report.figures.sweep_figures import KINDS, plates
    from lsbench.report.markdown import report
    from lsbench.report.page import page

    folder, runs = results.folder, results.runs
    penultimate.remove_stale(folder, runs)
    points = penultimate.points(folder, runs)
    shown = list(plates(results))
    shown += geometry.plates(points, several=len(results.parts) > 1)
    tables = {"runs.csv": runs, "summary.csv": results.summary}
    tables |= {"reliability.csv": results.bins, "training.csv": results.epochs}
    files = {file: to_csv(table) for file, table in tables.items()}
    ratios = penultimate.ratios(folder.parent, runs)
    files["report.md"] = report(results, shown, ratios).encode()
    drawn = write_figures(folder / "figures", shown, [*KINDS, geometry.KIND])
    files["report.html"] = page(results, shown, ratios, drawn)
    for file, content in files.items():
        write_atomically(folder / file, content)


def rebuild(results_dir: str | Path, name: str) -> "SweepResults":
    """Write the report of sweep ``name`` again. Raises what `load_results` and `build` raise."""
    from lsbench.analysis.results import load_results

    results = load_results(results_dir, name)
    build(results)
    return results
