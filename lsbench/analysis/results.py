"""A stored sweep with its tables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lsbench.analysis.tables import runs_table, summary_table
from lsbench.store.runs import Record, read_all
from lsbench.store.sweeps import Sweep, read_sweep


@dataclass(frozen=True)
class Stored:
    """A sweep, the ``folder`` of its report, its runs' records, and the runs that have none."""

    sweep: Sweep
    folder: Path
    records: list[Record]
    missing: list[str]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of runs.csv."""
        return runs_table(self.records)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The table of summary.csv."""
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
    sweep = read_sweep(results_dir, name)
    records, missing = read_all(results_dir, sweep.runs)
    return Stored(sweep, Path(results_dir) / name, records, missing)
