"""A sweep as it is stored: its records and tables, its report written again, and several sweeps as one."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench import report, runs
from lsbench.report.floors import filled
from lsbench.runs import Record
from lsbench.terms import StorageError, UsageError

if TYPE_CHECKING:
    import pandas as pd

COMBINING = "lsbench report "  # how the command of a combined report begins; no sweep's own does


@dataclass(frozen=True)
class Stored:
    """A sweep, the ``folder`` of its report, its runs' records, and the runs that have none."""

    sweep: runs.Sweep
    folder: Path
    records: list[Record]
    missing: list[str]

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """The table of runs.csv."""
        from lsbench.report.aggregate import runs_table

        return runs_table(self.records)

    @cached_property
    def summary(self) -> "pd.DataFrame":
        """The table of summary.csv."""
        from lsbench.report.aggregate import summary_table

        return summary_table(self.runs)

    @property
    def unfinished(self) -> list[Record]:
        """The records of runs that failed or diverged."""
        return [record for record in self.records if record["status"] != "done"]

    @property
    def exit_code(self) -> int:
        """1 where a run is missing, failed or diverged, else 0."""
        return int(bool(self.missing or self.unfinished))


def stored(results_dir: str | Path, name: str) -> Stored:
    """Sweep ``name``. Raises `UsageError` for an unknown one, `StorageError` for what cannot be read."""
    sweep = runs.read_sweep(results_dir, name)
    records, missing = runs.read_all(results_dir, sweep.runs)
    records = [filled(runs.run_dir(results_dir, record["run"]), record) for record in records]
    return Stored(sweep, Path(results_dir) / name, records, missing)


def rebuild(results_dir: str | Path, name: str) -> Stored:
    """Write the report of sweep ``name`` again. Raises what `stored` and `report.build` raise."""
    found = stored(results_dir, name)
    report.build(found.folder, found.runs, found.summary, command=found.sweep.command, missing=found.missing)
    return found


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
