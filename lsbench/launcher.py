"""Everything that Hydra calls: the task of a job, the launcher `stacked`, the reports after a multirun."""

import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, open_dict

from lsbench import conf_dir, config, plan, runs
from lsbench.report import terminal
from lsbench.terms import LsbenchError, UsageError

# A job leaves this in its own Hydra folder, so that the parent knows its run whichever launcher started it.
MARK = "lsbench-run.json"


@dataclass
class Multirun:
    """The multirun of this process: its command, where Hydra keeps its jobs, and the runs of each report."""

    command: str = ""
    folder: Path | None = None
    members: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    jobs: dict[int, plan.Job] = field(default_factory=dict)
    error: LsbenchError | None = None

    def start(self, command: str) -> None:
        """Forget the multirun before this one."""
        vars(self).update(vars(Multirun(command)))

    def add(self, job: dict[str, str]) -> None:
        self.members.setdefault((job["results_dir"], job["name"]), {})[job["run"]] = None

    def write(self) -> None:
        """Keep the list of runs of each report."""
        for (results_dir, name), ids in self.members.items():
            runs.write_sweep(results_dir, runs.Sweep(name, self.command, tuple(ids)))

    def report(self) -> int:
        """Write and print every report of this multirun; 1 where a run is not done, else 0."""
        for mark in sorted(self.folder.glob(f"**/{MARK}")) if self.folder else ():
            self.add(json.loads(mark.read_bytes()))
        self.write()
        return max((terminal.publish(results_dir, name) for results_dir, name in self.members), default=0)


_multirun = Multirun()


def main(command: str, overrides: Sequence[str]) -> int:
    """Hand ``overrides`` to Hydra as the arguments of ``command`` and return the exit code.

    Whatever ends a multirun, its reports are written from the runs that are stored.
    """
    _register()
    _check_flags(overrides)
    _multirun.start(command)
    start = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(task)
    try:
        # Hydra reads sys.argv, and raises what goes wrong only where this variable is set.
        with patch.object(sys, "argv", ["lsbench", *overrides]), patch.dict(os.environ, HYDRA_FULL_ERROR="1"):
            start()
    except BaseException:
        with suppress(LsbenchError):
            _multirun.report()
        raise
    if _multirun.error:
        raise _multirun.error
    return _multirun.report()


def _check_flags(arguments: Sequence[str]) -> None:
    """Raise `UsageError` for a flag that Hydra does not have; argparse itself would print a page."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            get_args_parser().parse_args(arguments)
    except SystemExit:
        raise UsageError(complaint.getvalue().rpartition("error: ")[2].strip()) from None


def task(composed: DictConfig) -> float:
    """One job: train its run unless it is stored. Returns select NLL, for sweepers that search."""
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        try:
            _train_one(composed)
        except LsbenchError as error:  # Hydra would announce it with a line of its own
            _multirun.error = error
        return float("nan")
    settings = HydraConfig.get()
    job = _multirun.jobs.get(settings.job.num) or _train(composed)
    _mark(Path(settings.runtime.output_dir), job)
    record = runs.read(job.run.results_dir, job.run_id)
    return float(record["select_nll"]) if record and record["status"] == "done" else float("inf")


def _train(composed: DictConfig) -> plan.Job:
    run = config.to_run(composed)
    plan.check(run)
    [job] = plan.with_data([run])
    plan.execute([job])
    return job


def _train_one(composed: DictConfig) -> None:
    """Train and print a run that stands alone. Raises `LsbenchError` where it is not done."""
    job = _train(composed)
    record = runs.read(job.run.results_dir, job.run_id)
    assert record is not None, "execute stores every run, whatever becomes of it"
    folder = runs.run_dir(job.run.results_dir, job.run_id)
    if record["status"] != "done":
        raise LsbenchError(f"{folder}: {record['status']}: {record['error']}")
    print(terminal.run_table(record, folder))


def _mark(folder: Path, job: plan.Job) -> None:
    content = {"results_dir": job.run.results_dir, "name": job.run.name, "run": job.run_id}
    runs.write_atomically(folder / MARK, json.dumps(content).encode())


class SweepReport(Callback):
    """Tells this module where Hydra keeps a multirun's jobs, and clears marks of an earlier one there."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        _multirun.folder = Path(config.hydra.sweep.dir)
        for mark in _multirun.folder.glob(f"**/{MARK}"):
            mark.unlink()


class StackedLauncher(Launcher):
    """Trains all jobs of a launch as stacks, then completes each job through Hydra's own `run_job`, so that
    output folders, callbacks and job returns are as with any launcher."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and check every job before data is read, train what is not stored, complete the jobs.

        Raises `UsageError` naming the first job that cannot run.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        composed = [
            self._compose(list(overrides), initial_job_idx + i) for i, overrides in enumerate(job_overrides)
        ]
        checked = [self._check(job) for job in composed]
        jobs = plan.with_data(checked)
        for job in jobs:
            _multirun.add({"results_dir": job.run.results_dir, "name": job.run.name, "run": job.run_id})
        _multirun.write()
        plan.execute(jobs)
        _multirun.jobs = dict(enumerate(jobs, initial_job_idx))
        return [self._complete(job) for job in composed]

    def _compose(self, overrides: list[str], number: int) -> DictConfig:
        composed = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(composed):
            composed.hydra.job.id = str(number)
            composed.hydra.job.num = number
        return composed

    def _check(self, composed: DictConfig) -> config.Run:
        try:
            run = config.to_run(composed)
            plan.check(run)
        except UsageError as error:
            raise UsageError(
                f"job {composed.hydra.job.num} ({composed.hydra.job.override_dirname}): {error}"
            ) from None
        return run

    def _complete(self, composed: DictConfig) -> JobReturn:
        returned = run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=composed,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returned


def _register() -> None:
    """Make the schema and the launcher known to Hydra.

    Hydra takes launchers only from modules below ``hydra_plugins``, and does not find such a package in an
    editable install; so this class says that it lives there, and the name leads here.
    """
    config.register()
    try:
        import_module("hydra_plugins")  # the real one, where some plugin is installed
    except ModuleNotFoundError:
        sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        sys.modules["hydra_plugins"].__path__ = []
    sys.modules["hydra_plugins.lsbench"] = sys.modules[__name__]
    StackedLauncher.__module__ = "hydra_plugins.lsbench"
    plugins = Plugins.instance()
    plugins.register(StackedLauncher)
    target = {"_target_": f"{StackedLauncher.__module__}.{StackedLauncher.__qualname__}"}
    ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=target, provider="lsbench")
