"""A sweep's report from its stored runs: the files, and what a command tells of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench import report, runs
from lsbench.terms import StorageError, UsageError

if TYPE_CHECKING:
    import pandas as pd

COMBINING = "lsbench report "  # how the command of a combined report begins; no sweep's own does


@dataclass(frozen=True)
class Rebuilt:
    """A report in ``folder``: its sweep, the records that are stored, the runs that have none, its tables."""

    sweep: runs.Sweep
    folder: Path
    records: list[runs.Record]
    missing: list[str]
    runs: "pd.DataFrame"
    summary: "pd.DataFrame"

    @property
    def exit_code(self) -> int:
        """1 where a run is missing, failed or diverged, else 0."""
        return int(bool(self.missing) or any(record["status"] != "done" for record in self.records))


def rebuild(results_dir: str | Path, name: str) -> Rebuilt:
    """Write the report of sweep ``name`` again. Raises `UsageError` for an unknown one, `StorageError` where
    a file cannot be read or written."""
    from lsbench.report.aggregate import runs_table, summary_table

    sweep = runs.read_sweep(results_dir, name)
    records, missing = runs.read_all(results_dir, sweep.runs)
    table = runs_table(records)
    built = Rebuilt(sweep, Path(results_dir) / name, records, missing, table, summary_table(table))
    report.build(built.folder, table, built.summary, command=sweep.command, missing=missing)
    return built


def keep_tables(results_dir: str | Path, name: str) -> None:
    """Raises `StorageError` where sweep ``name`` has tables and none of its runs is stored: the tables are
    all that is left of them, and would be written again without a row."""
    wanted = runs.read_sweep(results_dir, name).runs
    stored = any(runs.run_dir(results_dir, run_id).exists() for run_id in wanted)
    if (Path(results_dir) / name / "runs.csv").exists() and not stored:
        what = f"none of the {len(wanted)} runs of {name} is stored"
        raise StorageError(f"{runs.run_dir(results_dir, '')}: {what}; its tables stay as they are")


def combine(results_dir: str | Path, names: list[str], name: str, command: str) -> None:
    """Make ``name`` the sweep of all runs of the sweeps ``names``, by ``command``. Raises `UsageError` where
    ``name`` is no name, or a trained sweep's, whose list of runs would be lost."""
    from lsbench.config import Name

    if name not in Name():
        raise UsageError(f"name={name}: allowed is text {Name()}")
    sweeps = [runs.read_sweep(results_dir, part) for part in names]
    if name in names:
        raise UsageError(f"name={name}: is one of the sweeps to combine; take another name")
    taken = (Path(results_dir) / name / "sweep.json").exists()
    if taken and not runs.read_sweep(results_dir, name).command.startswith(COMBINING):
        raise UsageError(f"name={name}: is a sweep of its own under {results_dir}; take another name")
    union = dict.fromkeys(run_id for sweep in sweeps for run_id in sweep.runs)
    runs.write_sweep(results_dir, runs.Sweep(name, command, tuple(union)))
