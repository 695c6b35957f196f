"""``lsbench probe NAME [PROBE ...]``: what a sweep's stored weights show when they are probed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench.analysis.labels import distinguishing_columns
from lsbench.analysis.tables import as_rows, runs_table, summary_table, tables
from lsbench.errors import UsageError, suggest_or_list
from lsbench.execution.plan import choose_device
from lsbench.execution.progress import track
from lsbench.formatting import (
    TERMINAL_WIDTH,
    compact,
    difference,
    fixed_table,
    format_setting,
    mean_ci,
    number,
)
from lsbench.probes import all_probes, find, run_probe
from lsbench.report import penultimate, projection
from lsbench.report.figures import files, geometry
from lsbench.report.publish import to_csv
from lsbench.store import runs, sweeps
from lsbench.store.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.analysis.baselines import Row

OPTIONS = {"results_dir": "results", "device": "auto", "classes": "", "alpha": ""}
FIGURE = ("classes", "alpha")
FACTS = ("run", "status", "data", "model", "method", "alpha", "seed")
DELTA = "Δ: points against the baseline, paired by seed, 95 % interval."


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code: 1 where a run has no weights, since it is not done.

    Raises `UsageError` for an unknown sweep, probe, option or class, and what `run_probe` raises.
    """
    words, options = _parsed(arguments)
    if not words:
        raise UsageError("probe: which sweep? lsbench probe NAME [PROBE ...]")
    sweep, names = words[0], list(dict.fromkeys(words[1:])) or list(all_probes())
    for name in names:
        find(name)
    given = [key for key in FIGURE if options[key]]
    if given and "geometry" not in names:
        raise UsageError(
            f"probe: {given[0]}={options[given[0]]} is of geometry, which is not among the probes"
        )
    projection.smoothing(options["alpha"])
    return publish(options, sweep, names)


def _parsed(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    words, options = [], dict(OPTIONS)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals and not argument.startswith("-"):
            words.append(argument)
        elif equals and key in OPTIONS:
            options[key] = value
        else:
            raise UsageError(
                f"probe: no option {key}{suggest_or_list(key, [f'{name}=' for name in OPTIONS])}"
            )
    return words, options


def publish(options: dict[str, str], name: str, probes: Sequence[str]) -> int:
    """Probe the stored runs of sweep ``name``; write probes.csv and, where geometry is among the ``probes``,
    geometry.csv and its figures; print the means. The exit code."""
    results_dir, device = options["results_dir"], choose_device(options["device"])
    wanted = sweeps.read_sweep(results_dir, name).runs
    records, _ = runs.read_all(results_dir, wanted)
    ordered = sorted(records, key=lambda record: record["data_sha256"] or "")  # so each data set is read once
    done = [record["run"] for record in ordered if record["status"] == "done"]
    columns = [column for probe in probes for column in all_probes()[probe].columns]
    # Before the rest, which takes longer: here it turns out whether there are such classes and such an alpha.
    points = projection.points(results_dir, records, options, device) if "geometry" in probes else None
    measured: dict[str, dict[str, float]] = {run_id: {} for run_id in wanted}
    for run_id, probe in track([(run_id, probe) for run_id in done for probe in probes], "probe"):
        measured[run_id] |= run_probe(results_dir, run_id, probe, device)
    folder = Path(results_dir) / name
    if records:
        table = runs_table([_joined(record, measured[record["run"]], columns) for record in records])
        summary = summary_table(table)
        print(_text(summary, probes))
        named = table.rename(columns={f"test_{column}": column for column in columns})
        write_atomically(folder / penultimate.PROBED, to_csv(named[[*FACTS, *columns]]))
    files = [folder / penultimate.PROBED] if records else []
    if points is not None:
        files += _geometry(folder, points, records)
    print(f"\n{len(done)} of {len(wanted)} runs probed")
    print("   ".join([*map(str, files[:1]), *(str(path.relative_to(folder)) for path in files[1:])]))
    return int(len(done) < len(wanted))


def _geometry(folder: Path, points: "pd.DataFrame", records: Sequence[runs.Record]) -> list[Path]:
    """Keep ``points`` beside the tables, for reports to show, and draw them; the paths of both."""
    several = len({(record["data"], record["model"]) for record in records}) > 1
    plates = list(geometry.plates(points, several))
    write_atomically(folder / penultimate.POINTS, to_csv(points))
    files.write(folder / "figures", plates, [geometry.KIND])
    return [folder / penultimate.POINTS, *(folder / "figures" / f"{plate.name}.png" for plate in plates)]


def _joined(record: runs.Record, values: dict[str, float], columns: Sequence[str]) -> runs.Record:
    """A record with a probe's columns among its metrics on test; `aggregate` knows those by their names."""
    return record | {f"test_{column}": values.get(column) for column in columns}


def _text(summary: "pd.DataFrame", probes: Sequence[str]) -> str:
    """Means over seeds of the columns that each probe shows, a table for each data set and model."""
    columns = [column for name in probes for column in all_probes()[name].shown]
    blocks = []
    for part in tables(summary):
        extras = {name: name for name in distinguishing_columns(part.table)}
        settings = {"method": "method", **extras, "α": "alpha", "n": "n"}
        shown = [
            {title: format_setting(row[name]) for title, name in settings.items()}
            | {title: cell for column in columns for title, cell in _cells(row, column).items()}
            for row in as_rows(part.table)
        ]
        rows = [[compact(cell) for cell in cells.values()] for cells in shown]
        expendable = [[title] for title in shown[0] if title.startswith("Δ")]
        text = fixed_table(list(shown[0]), rows, TERMINAL_WIDTH, expendable)
        blocks.append(f"{part.title}\n\n{text}")
    notes = [*(all_probes()[name].note for name in probes), *([DELTA] if "Δ" in "".join(blocks) else [])]
    return "\n\n".join([*blocks, "\n".join(notes)])


def _cells(row: "Row", column: str) -> dict[str, str]:
    """Mean and interval of a probe's column, and of an accuracy in per cent also the difference."""
    name = f"test_{column}"
    if not column.endswith("_accuracy"):
        return {column.replace("within_between", "w/b").replace("_", " "): number(row[f"{name}_mean"], 3)}
    attack = column.removesuffix("_accuracy")
    return {f"{attack} %": mean_ci(row, name, 2, 100), f"Δ {attack}": difference(row, name)}
