"""State of one command: its runs by report, its jobs, and the error that it ends with."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lsbench import config
from lsbench.config import Run
from lsbench.errors import LsbenchError, UsageError
from lsbench.store import runs, sweeps
from lsbench.terms import DONE

if TYPE_CHECKING:
    from lsbench.execution import plan

log = logging.getLogger(__name__)


class Session:
    """One `lsbench train`, `compare` or `claims`.

    `run_job` is Hydra's task function: a bound method, so that the launcher and the sweepers can reach the
    session through it (`session_of`). Launchers that run jobs in other processes pickle it. The copy there
    notes its runs in a file beside Hydra's multirun.yaml, which the original reads at the end.
    """

    def __init__(self, command: str, dry_run: bool = False, key: str = "") -> None:
        self.command = command
        self.dry_run = dry_run
        self.key = key or uuid4().hex[:8]
        self.is_copy = bool(key)
        self.reports: dict[tuple[str, str], dict[str, None]] = {}  # (results folder, name): run IDs in order
        self.claims: dict[str, list[str]] = {}  # run IDs by claim
        self.jobs: dict[int, plan.Job] = {}  # by Hydra's job number, those that `stacked` has trained
        self.error: Exception | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Session, (self.command, self.dry_run, self.key)

    def run_job(self, composed: DictConfig) -> float:
        """Train the job's run unless it is stored; return its `objective`, which searching sweepers minimise.

        An error is logged and stored, and infinity returned: Hydra would print lines of its own about it.
        """
        from lsbench.analysis.selection import objective

        multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        try:
            job = self.jobs.get(HydraConfig.get().job.num) if multirun else None
            job = job or self._train(composed)
            if self.dry_run:
                return float("inf")
            run = _from_original_folder(job.run)
            if multirun:
                self.note(run, job.run_id)
            record = runs.read(run.results_dir, job.run_id)
            assert record is not None, "execute stores a record of every run, also of one that failed"
            if not multirun:
                _show(record, runs.run_dir(run.results_dir, job.run_id))
        except Exception as error:
            if multirun:
                log.error("%s", error)
            self.error = error
            return float("inf")
        return objective(record)

    def _train(self, composed: DictConfig) -> "plan.Job":
        from lsbench.execution import plan, teachers
        from lsbench.execution.dry_run import preview
        from lsbench.execution.execute import execute

        hydra = cast(DictConfig, HydraConfig.get())
        if OmegaConf.select(hydra, "launcher.cluster", default="local") != "local":
            raise UsageError("hydra.launcher.cluster: only multiruns go to a cluster; add -m")
        run = _from_original_folder(config.to_run(composed))
        plan.check(run)
        teachers.check_unused_teacher([run])
        [job] = plan.with_data([run])
        if self.dry_run:
            print(preview([job]))
        else:
            execute([job])
        return job

    def note(self, run: Run, run_id: str) -> None:
        """Add the run to its report, and in a copy also to the file that the original session reads."""
        self._add(run.results_dir, run.name, run_id)
        if self.is_copy:
            sweeps.note_run(_multirun_dir(), self.key, run.results_dir, run.name, run_id)

    def add(self, jobs: "Sequence[plan.Job]") -> None:
        """Add the jobs' runs to their reports, and store each report's list of runs in its sweep.json, so
        that `lsbench report` works however this process ends."""
        for job in jobs:
            self._add(job.run.results_dir, job.run.name, job.run_id)
        self._write()

    def _add(self, results_dir: str, name: str, run_id: str) -> None:
        self.reports.setdefault((str(Path(results_dir).absolute()), name), {})[run_id] = None

    def _write(self) -> None:
        if self.dry_run:
            return
        for (results_dir, name), ids in self.reports.items():
            sweeps.write_sweep(results_dir, sweeps.Sweep(name, self.command, tuple(ids), self.claims))

    def report(self) -> int:
        """Write and print the multirun's reports; return 1 if a run is not done, else 0."""
        self.collect()
        return self._publish(list(self.reports))

    def salvage(self) -> None:
        """Write and print the reports that have a stored run, after an error or a signal ended the multirun.

        Claims are not judged by some of their runs.
        """
        self.collect()
        if not self.claims:
            self._publish(
                [key for key, ids in self.reports.items() if any(runs.read(key[0], i) for i in ids)]
            )

    def collect(self) -> None:
        """Add the runs that copies of this session noted in other processes."""
        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            for noted in sweeps.noted_runs(_multirun_dir(), self.key):
                self._add(*noted)
        self._write()

    def _publish(self, reports: Sequence[tuple[str, str]]) -> int:
        from lsbench.report.publish import publish

        codes = [0]
        for results_dir, name in reports:
            folder = Path(results_dir)
            if folder.is_relative_to(Path.cwd()):
                folder = folder.relative_to(Path.cwd())
            codes.append(publish(folder, name))
        return max(codes)


class SetHydraConfig(Callback):
    """Hydra callback (conf/train.yaml): ${hydra:...} works from the start of a multirun, not only in jobs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        HydraConfig.instance().set_config(config)


def session_of(task_function: TaskFunction) -> Session | None:
    """The session of Hydra's task function; None if another program borrows a plugin of lsbench."""
    session = getattr(task_function, "__self__", None)
    return session if isinstance(session, Session) else None


def _multirun_dir() -> Path:
    """The folder of Hydra's multirun.yaml."""
    hydra = HydraConfig.get()
    return Path(hydra.runtime.cwd) / hydra.sweep.dir


def _from_original_folder(run: Run) -> Run:
    """Resolve the run's paths against the folder of the command; hydra.job.chdir changes into another."""
    original = Path(HydraConfig.get().runtime.cwd)
    return run if Path.cwd() == original else run.with_absolute_paths(original)


def _show(record: runs.Record, folder: Path) -> None:
    """Print the record of a single run. Raises `LsbenchError` if the run is not done."""
    from lsbench.report import terminal

    if record["status"] != DONE:
        raise LsbenchError(f"{folder}: {record['status']}: {record['error']}")
    print(terminal.run_table(record, folder))
