"""A stored sweep as tables, and what they come to: labels, choices and verdicts, each computed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lsbench.analysis import selection, traces, verdicts
from lsbench.analysis.columns import NOT_COMPARED, PLAIN, SMOOTHING, Row, as_rows
from lsbench.analysis.differences import (
    Difference,
    adjusted,
    difference_columns,
    differences,
    test_set_columns,
)
from lsbench.analysis.labels import lines
from lsbench.analysis.rows import StoredScores, row_scores
from lsbench.analysis.tables import (
    PAIR,
    cells_table,
    means,
    metrics_of,
    runs_table,
    test_set_means,
    values_by_cell,
    with_columns,
)
from lsbench.analysis.verify import verify_run
from lsbench.errors import StorageError
from lsbench.store.protocols import Protocol, read_protocol
from lsbench.store.runs import DamagedRunError, Record, read_all
from lsbench.store.sweeps import Sweep, read_sweep
from lsbench.store.verification import has_checksums
from lsbench.terms import DONE


@dataclass(frozen=True, eq=False)
class Part:
    """One data set and model of a sweep: its rows of `runs_table` and `cells_table`, and the number of
    ``looks`` at the sweep with growing numbers of seeds."""

    data: str
    model: str
    runs: pd.DataFrame
    cells: pd.DataFrame
    differences: list[Difference]
    looks: int = 1

    @property
    def title(self) -> str:
        """The data set and the model as a heading."""
        return f"{self.data}, {self.model}"

    @cached_property
    def rows(self) -> list[Row]:
        """``cells`` as dictionaries."""
        return as_rows(self.cells)

    @cached_property
    def lines(self) -> list[tuple[str, pd.DataFrame]]:
        """The label and the rows of ``cells`` of each method and strength, alpha ascending."""
        return list(lines(self.cells))

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each cell's line."""
        return {cell: label for label, line in self.lines for cell in line["cell"]}

    @cached_property
    def choices(self) -> list[selection.Choice]:
        """The α and strength chosen for each method that was run with several."""
        return selection.choices(self.runs, self.cells)

    @cached_property
    def judged(self) -> list[verdicts.Judged]:
        """`verdicts.judge_cells` of ``cells``: what smoothing does first, and again as the difference from
        plain training where the two are the same."""
        judged = verdicts.judge_cells(self.cells, self.labels, self.differences)
        return [replace(comparison, looks=self.looks) for comparison in judged]

    @property
    def verdicts(self) -> list[verdicts.Judged]:
        """Every comparison of a cell with another and its verdict, once."""
        smoothing = {(judged.cell, judged.other) for judged in self.judged if judged.kind == SMOOTHING}
        return [
            judged
            for judged in self.judged
            if judged.kind != PLAIN or (judged.cell, judged.other) not in smoothing
        ]


@dataclass(frozen=True, eq=False)
class SweepResults:
    """A sweep, the ``folder`` of its report, the records of its runs, the names of runs without one, and the
    damaged runs with the reason for each.

    ``without_checksums`` are the runs that `verify_run` could not compare with checksums, None if it was not
    asked to.
    """

    sweep: Sweep
    folder: Path
    records: list[Record]
    missing: list[str]
    damaged: Mapping[str, str] = field(default_factory=dict)
    without_checksums: Sequence[str] | None = None

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The table of runs.csv."""
        return runs_table(self.records)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The table of summary.csv: ``cells``, the verdicts, and the columns for this test set."""
        verdict_columns: dict[str, Row] = {}
        for part in self.parts:
            verdict_columns |= verdicts.verdict_columns(part.cells["cell"], part.judged)
        table = with_columns(self.cells, verdict_columns)
        same_rows = {cell: test_set_means(self._metrics, values) for cell, values in self.values.items()}
        return with_columns(
            with_columns(table, same_rows), test_set_columns(list(same_rows), self.differences)
        )

    @cached_property
    def cells(self) -> pd.DataFrame:
        """`cells_table` of the runs, and behind it the columns of their means and ``differences``."""
        means, _ = self._estimates
        columns = difference_columns(list(means), self._compared_metrics, self.differences)
        return with_columns(with_columns(self._settings, means), columns)

    @property
    def differences(self) -> list[Difference]:
        """Every difference between two cells in a metric."""
        return self._estimates[1]

    @cached_property
    def _estimates(self) -> tuple[dict[str, Row], list[Difference]]:
        """The columns of the means by cell, and the differences: in one pass, for which the predictions of a
        run are read once."""
        means_by_cell: dict[str, Row] = {}
        made: list[Difference] = []
        for _, cells in self._settings.groupby(PAIR, sort=False):
            of_part: list[Difference] = []
            for row in as_rows(cells):
                values, scores = self.values[row["cell"]], self.scores.of_cell(row["cell"])
                means_by_cell[row["cell"]] = means(self._metrics, values, scores)
                of_part += differences(row, self.values, self._compared_metrics, self.scores)
            made += adjusted(of_part)
        return means_by_cell, made

    @cached_property
    def scores(self) -> StoredScores:
        """The contributions of single test rows to the metrics of each run."""
        return StoredScores(self.folder.parent, self.runs)

    @cached_property
    def _settings(self) -> pd.DataFrame:
        return cells_table(self.runs)

    @cached_property
    def _metrics(self) -> list[str]:
        return metrics_of(self.runs)

    @property
    def _compared_metrics(self) -> list[str]:
        return [name for name in self._metrics if name not in NOT_COMPARED]

    @cached_property
    def values(self) -> dict[str, dict[int, dict[str, float]]]:
        return values_by_cell(self.runs, self._metrics)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The sweep by data set and model."""
        runs: dict[Any, pd.DataFrame] = dict(iter(self.runs.groupby(PAIR, sort=False)))
        parts = []
        for key, cells in self.cells.groupby(PAIR, sort=False):
            names = set(cells["cell"])
            differences = [difference for difference in self.differences if difference.cell in names]
            names_of_part = str(key[0]), str(key[1])
            parts.append(Part(*names_of_part, runs[key], cells, differences, len(self.looks)))
        return tuple(parts)

    @cached_property
    def bins(self) -> pd.DataFrame:
        """The table of reliability.csv. Raises `DamagedRunError` for a stored file that does not parse."""
        return traces.bins(self.folder.parent, self.runs)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """The table of training.csv. Raises `DamagedRunError` for a stored file that does not parse."""
        return traces.epochs(self.folder.parent, self.runs)

    def without_damaged(self, check: Callable[[Path, Record], None]) -> "SweepResults":
        """The same sweep without the runs for which ``check``, called with the results folder and a record,
        raises `DamagedRunError`."""
        intact, damaged = [], dict(self.damaged)
        for record in self.records:
            try:
                check(self.folder.parent, record)
                intact.append(record)
            except DamagedRunError as error:
                damaged[record["run"]] = str(error)
        without = self.without_checksums
        return SweepResults(self.sweep, self.folder, intact, self.missing, damaged, without)

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds at which the sweep was looked at, up to the present one: those with a report,
        or those of its protocol."""
        seeds = len({record["seed"] for record in self.records})
        looks = self.protocol.looks if self.protocol else self.sweep.looks
        return (*(look for look in looks if look < seeds), seeds)

    @cached_property
    def protocol(self) -> Protocol | None:
        """The plan of a sequential decision. Raises `StorageError` if it is damaged."""
        return read_protocol(self.folder)

    @property
    def unfinished(self) -> list[Record]:
        """The records of runs that failed or diverged."""
        return [record for record in self.records if record["status"] != DONE]

    @property
    def exit_code(self) -> int:
        """4 if a run is damaged, 1 if one is missing, failed or diverged, else 0."""
        if self.damaged:
            return StorageError.exit_code
        return int(bool(self.missing or self.unfinished))


def read_files(results_dir: Path, record: Record) -> None:
    """Raise `DamagedRunError` if a file of a run that its reports need cannot be read."""
    if record["status"] == DONE:
        row_scores(results_dir, record["run"], record["temperature"])
        for file in traces.KEYS:
            traces.read_table(results_dir, record["run"], file)


def load_results(results_dir: str | Path, name: str, *, verify: bool = False) -> SweepResults:
    """Load sweep ``name``, without the runs of which a file is damaged, as far as files are read; with
    ``verify`` also without those that `verify_run` finds fault with.

    Raises `UsageError` if there is no such sweep, `StorageError` if it cannot be read.
    """
    sweep = read_sweep(results_dir, name)
    stored = read_all(results_dir, sweep.runs)
    results = SweepResults(sweep, Path(results_dir) / name, *stored)
    if verify:
        intact = results.without_damaged(verify_run)
        unsealed = [r["run"] for r in intact.records if not has_checksums(results_dir, r["run"])]
        results = replace(intact, without_checksums=unsealed)
    try:
        _ = results.summary, results.bins, results.epochs  # read every file that reports need
    except DamagedRunError:  # the first of perhaps several
        results = results.without_damaged(read_files)
    return results
