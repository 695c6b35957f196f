"""The Hydra launcher `stacked`."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lsbench import jobs
from lsbench.multirun import MULTIRUN


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
        composed = jobs.compose(loader, self.config, job_overrides, initial_job_idx)
        if jobs.are_runs(composed):
            self._train(composed, initial_job_idx)
        return [self._complete(job) for job in composed]

    def _train(self, composed: Sequence[DictConfig], first: int) -> None:
        from lsbench import executors

        checked = jobs.check(composed)
        MULTIRUN.add(checked)
        MULTIRUN.write()
        executors.execute(checked)
        MULTIRUN.jobs = dict(enumerate(checked, first))

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
