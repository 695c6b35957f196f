"""What Hydra finds by name: the launcher `stacked`, and the callback that checks jobs for other launchers."""

import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from lsbench import config, executors, plan
from lsbench.multirun import MULTIRUN
from lsbench.terms import UsageError


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
        loader = self.hydra_context.config_loader
        numbered = enumerate(job_overrides, initial_job_idx)
        composed = [_compose(loader, self.config, overrides, number) for number, overrides in numbered]
        jobs = plan.with_data([_check(job) for job in composed])
        MULTIRUN.add(jobs)
        MULTIRUN.write()
        executors.execute(jobs)
        MULTIRUN.jobs = dict(enumerate(jobs, initial_job_idx))
        return [self._complete(job) for job in composed]

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


class Refused(BaseException):
    """Carries an ``error`` out of a callback: Hydra turns whatever is an Exception there into a warning."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class CheckFirst(Callback):
    """Checks every job of a multirun before any trains, also where another launcher runs them.

    Sweepers that search know their jobs only as they go, so theirs are checked one launch at a time.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        if config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            try:
                _check_grid(config)
            except Exception as error:
                raise Refused(error) from error


def _check_grid(base: DictConfig) -> None:
    """Raise `UsageError` for an empty grid, and for a wrong job where no `StackedLauncher` sees them all."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    loader, settings = GlobalHydra.instance().config_loader(), base.hydra
    fixed = [f"{key}={value}" for key, value in (settings.sweeper.params or {}).items()]
    parsed = OverridesParser.create(loader).parse_overrides([*fixed, *settings.overrides.task])
    grid = [overrides for batch in BasicSweeper.split_arguments(parsed, None) for overrides in batch]
    if not grid:
        raise UsageError("the sweep has no runs")
    if settings.launcher._target_ != STACKED or settings.sweeper.max_batch_size is not None:
        jobs = [_compose(loader, base, overrides, number) for number, overrides in enumerate(grid)]
        MULTIRUN.add(plan.with_data([_check(job) for job in jobs]))
        MULTIRUN.write()


def _compose(loader: Any, base: DictConfig, overrides: Sequence[str], number: int) -> DictConfig:
    """One job of a multirun as Hydra composes it."""
    composed: DictConfig = loader.load_sweep_config(base, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = str(number)
        composed.hydra.job.num = number
    return composed


def _check(composed: DictConfig) -> config.Run:
    """The job's run. Raises `UsageError` naming the job."""
    HydraConfig.instance().set_config(composed)  # for settings that ask Hydra, as run_job sets it
    try:
        run = config.to_run(composed)
        plan.check(run)
    except UsageError as error:
        job = composed.hydra.job
        raise UsageError(f"job {job.num} ({job.override_dirname}): {error}") from None
    return run


STACKED = f"hydra_plugins.lsbench.{StackedLauncher.__qualname__}"


def register() -> None:
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
    StackedLauncher.__module__ = STACKED.rpartition(".")[0]
    sys.modules[StackedLauncher.__module__] = sys.modules[__name__]
    plugins = Plugins.instance()
    plugins.register(StackedLauncher)
    node = {"_target_": STACKED}
    ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=node, provider="lsbench")
