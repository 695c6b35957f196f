"""The Hydra launcher `stacked`."""

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lsbench.errors import UsageError
from lsbench.hydra_app import compose
from lsbench.hydra_app.session import MULTIRUN

CLUSTERS = ("local", "slurm")


@dataclass
class StackedConf:
    """The settings under hydra.launcher: where stacks train, and what each asks of Slurm (see sbatch)."""

    _target_: str = "hydra_plugins.lsbench.StackedLauncher"
    cluster: str = "local"
    timeout_min: int = 60
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    array_parallelism: int = 256
    max_num_timeout: int = 10
    additional_parameters: dict[str, Any] = field(default_factory=dict)


class StackedLauncher(Launcher):
    """Trains all jobs of a launch as stacks, then completes each job through Hydra's own `run_job`, so that
    output folders, callbacks and job returns are as with any launcher."""

    def __init__(self, cluster: str = "local", **resources: Any) -> None:
        self.cluster = cluster
        self.resources = resources
        self.whole = False  # whether the next launch is known to be all of the sweep

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
        composed = compose.compose(loader, self.config, job_overrides, initial_job_idx)
        if compose.are_runs(composed):
            self._train(composed, initial_job_idx)
        done = [] if MULTIRUN.dry_run else [self._complete(job) for job in composed]
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)  # each job had its own
        return done

    def _train(self, composed: Sequence[DictConfig], first: int) -> None:
        self._check_resources()
        if self.cluster not in CLUSTERS:
            raise UsageError(f"hydra.launcher.cluster={self.cluster}: allowed is local or slurm")
        slurm = self.resources if self.cluster == "slurm" else None
        checked = compose.check(composed, whole=self.whole)
        if MULTIRUN.dry_run:
            from lsbench.execution.dry_run import preview

            print(preview(checked, slurm))
            return
        from lsbench.execution.execute import execute

        MULTIRUN.add(checked)
        MULTIRUN.write()
        execute(checked, slurm)
        MULTIRUN.jobs = dict(enumerate(checked, first))

    def _check_resources(self) -> None:
        """Raise `UsageError` for a setting that does nothing, or nothing good."""
        changed = {f.name for f in fields(StackedConf) if f.name in self.resources and self._changed(f)}
        if self.cluster == "local" and changed:
            raise UsageError(f"hydra.launcher.{min(changed)}: is for hydra.launcher.cluster=slurm")
        for name in ("timeout_min", "cpus_per_task", "mem_gb"):
            if (value := self.resources.get(name)) is not None and value < 1:
                raise UsageError(f"hydra.launcher.{name}={value}: allowed is a whole number of at least 1")

    def _changed(self, setting: "Field[Any]") -> bool:
        default = {} if setting.default is MISSING else setting.default
        return bool(self.resources[setting.name] != default)

    def _complete(self, composed: DictConfig) -> JobReturn:
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=composed,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
