"""Results of probing a sweep's stored weights: probes.csv, geometry.csv with its figure, and a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench.analysis.columns import SMOOTHING
from lsbench.analysis.labels import distinguishing_columns
from lsbench.analysis.results import Part, SweepResults
from lsbench.errors import StorageError
from lsbench.execution.progress import track
from lsbench.formatting import format_setting, number, one_line
from lsbench.probes import all_probes, run_probe
from lsbench.report import document as doc
from lsbench.report import penultimate, projection, text
from lsbench.report.figures import geometry
from lsbench.report.figures.files import write as write_figures
from lsbench.report.tables import difference, mean_ci
from lsbench.store import runs, sweeps
from lsbench.store.files import to_csv, write_atomically
from lsbench.terms import DONE

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from lsbench.analysis.columns import Row

FACTS = ("run", "status", "data", "model", "method", "alpha", "seed")
DELTA_NOTE = "Δ: points against the same method at α = 0, paired by seed, 95 % interval for this test set."


def publish(
    results_dir: str | Path,
    name: str,
    probes: Sequence[str],
    device: "torch.device",
    *,
    classes: Sequence[str] = (),
    alpha: float | None = None,
) -> int:
    """Run ``probes`` on the finished runs of sweep ``name``, print the means over seeds and return the exit
    code: 4 if a run is damaged, 1 if one is not done, else 0. Damaged runs are named and left out.

    Writes probes.csv and, if geometry is among the ``probes``, geometry.csv and its figures, for which
    ``classes`` and ``alpha`` are those of `projection.points`. Raises what `run_probe` raises, and
    `UsageError` for an unknown sweep, class or alpha.
    """
    sweep = sweeps.read_sweep(results_dir, name)
    records, missing, damaged = runs.read_all(results_dir, sweep.runs)
    by_data = sorted(records, key=lambda record: record["data_sha256"] or "")  # each data set is read once
    done = [record["run"] for record in by_data if record["status"] == DONE]
    # The points come first: an unknown class or alpha is reported before the slow measurements start.
    points = None
    while points is None and "geometry" in probes:
        try:
            points = projection.points(results_dir, records, device, classes=classes, alpha=alpha)
        except runs.DamagedRunError as error:  # another pair of runs takes its place
            damaged[error.run_id] = str(error)
            records = [record for record in records if record["run"] not in damaged]
    measured: dict[str, dict[str, float]] = {run_id: {} for run_id in sweep.runs}
    for run_id, probe in track([(run_id, probe) for run_id in done for probe in probes], "probe"):
        try:
            if run_id not in damaged:
                measured[run_id] |= run_probe(results_dir, run_id, probe, device)
        except runs.DamagedRunError as error:
            damaged[error.run_id] = str(error)
    records = [record for record in records if record["run"] not in damaged]
    done = [run_id for run_id in done if run_id not in damaged]
    folder = Path(results_dir) / name
    files = []
    if records:
        columns = [column for probe in probes for column in all_probes()[probe].columns]
        measures = [_with_probes(record, measured[record["run"]], columns) for record in records]
        results = SweepResults(sweep, folder, measures, missing, damaged)
        print(_means(results.parts, probes))
        renamed = results.runs.rename(columns={f"test_{column}": column for column in columns})
        write_atomically(folder / penultimate.PROBES_FILE, to_csv(renamed[[*FACTS, *columns]]))
        files.append(penultimate.PROBES_FILE)
    if points is not None and records:
        files += _write_geometry(folder, points, records)
    print("", *(one_line(f"damaged: {reason}") for reason in damaged.values()), sep="\n")
    print(f"{len(done)} of {len(sweep.runs)} runs probed")
    print("   ".join([*(str(folder / file) for file in files[:1]), *files[1:]]))
    return StorageError.exit_code if damaged else int(len(done) < len(sweep.runs))


def _write_geometry(folder: Path, points: "pd.DataFrame", records: Sequence[runs.Record]) -> list[str]:
    """Write geometry.csv, which later reports read, and its figures; return their paths in ``folder``."""
    several = len({(record["data"], record["model"]) for record in records}) > 1
    specs = list(geometry.figure_specs(points, several))
    write_atomically(folder / penultimate.POINTS_FILE, to_csv(points))
    write_figures(folder / "figures", specs, [geometry.KIND])
    return [penultimate.POINTS_FILE, *(f"figures/{spec.name}.png" for spec in specs)]


def _with_probes(record: runs.Record, values: Mapping[str, float], columns: Sequence[str]) -> runs.Record:
    """The record with a probe's columns as test metrics: `cells_table` recognises metrics by the prefix."""
    return record | {f"test_{column}": values.get(column) for column in columns}


def _means(parts: Sequence[Part], probes: Sequence[str]) -> str:
    """Means over seeds of each probe's main columns, one table per data set and model."""
    columns = [column for name in probes for column in all_probes()[name].shown]
    sections = []
    for part in parts:
        settings = {"method": "method"}
        settings |= {name: name for name in distinguishing_columns(part.cells)}
        settings |= {"α": "alpha", "n": "n"}
        rows = []
        for row in part.rows:
            cells = {title: format_setting(row[name]) for title, name in settings.items()}
            for column in columns:
                cells |= _cells(row, column)
            rows.append(cells)
        differences = [[title] for title in rows[0] if title.startswith("Δ")]
        texts = [list(cells.values()) for cells in rows]
        table = doc.Table("Probes", list(rows[0]), texts, expendable=differences)
        sections.append(doc.Section(part.title, (table,)))
    tables = text.render(sections)
    notes = [all_probes()[name].note for name in probes]
    if "Δ" in tables:
        notes.append(DELTA_NOTE)
    return "\n\n".join([tables, "\n".join(notes)])


def _cells(row: "Row", column: str) -> dict[str, str]:
    """Mean and interval of a probe's column; for an accuracy, in per cent, also the paired difference."""
    name = f"test_{column}"
    if not column.endswith("_accuracy"):
        return {column.replace("within_between", "w/b").replace("_", " "): number(row[f"{name}_mean"], 3)}
    attack = column.removesuffix("_accuracy")
    return {f"{attack} %": mean_ci(row, name, 2, 100), f"Δ {attack}": difference(row, name, SMOOTHING)}
