"""The Hydra launcher `stacked`: runs that differ only in knobs train together."""

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lsbench.errors import UsageError
from lsbench.hydra_app import compose
from lsbench.hydra_app.session import Session, session_of

if TYPE_CHECKING:
    from lsbench.execution import plan

CLUSTERS = ("local", "slurm")


@dataclass
class StackedConf:
    """The settings under hydra.launcher: where stacks train, and the resources of each Slurm job (sbatch)."""

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
    """Train all jobs of a launch as stacks, then run each job through Hydra's `run_job`, which finds its run
    in the store: output folders, callbacks and job returns are as with any launcher."""

    def __init__(self, cluster: str = "local", **resources: Any) -> None:
        self.cluster = cluster
        self.resources = resources

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.session = session_of(task_function)
        if self.session:
            self._check_resources()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and check every job before data is read, train what is not stored, complete the jobs.

        Raises `UsageError` naming the first job that cannot run.
        """
        setup_globals()
        loader = self.hydra_context.config_loader
        composed = compose.compose(loader, self.config, job_overrides, initial_job_idx)
        jobs = compose.check(composed, whole=False) if self.session else []
        return self.launch_composed(composed, jobs, initial_job_idx)

    def launch_composed(
        self, composed: Sequence[DictConfig], jobs: "Sequence[plan.Job]", first: int
    ) -> Sequence[JobReturn]:
        """`launch` for jobs that are composed and checked; ``first`` is the number of the first job."""
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        if self.session:
            self._train(self.session, jobs, first)
            if self.session.dry_run:
                return []
        returned = [self._complete(config) for config in composed]
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)  # each job set its own
        return returned

    def _train(self, session: Session, jobs: "Sequence[plan.Job]", first: int) -> None:
        slurm = self.resources if self.cluster == "slurm" else None
        if session.dry_run:
            from lsbench.execution.dry_run import preview

            print(preview(jobs, slurm))
            return
        from lsbench.execution.execute import execute

        session.add(jobs)
        execute(jobs, slurm)
        session.jobs = dict(enumerate(jobs, first))

    def _check_resources(self) -> None:
        """Raise `UsageError` for a setting that is out of its range or has no effect."""
        if self.cluster not in CLUSTERS:
            raise UsageError(f"hydra.launcher.cluster={self.cluster}: allowed is local or slurm")
        changed = {f.name for f in fields(StackedConf) if f.name in self.resources and self._is_changed(f)}
        if self.cluster == "local" and changed:
            raise UsageError(
                f"hydra.launcher.{min(changed)}: has an effect only with hydra.launcher.cluster=slurm"
            )
        for name in ("timeout_min", "cpus_per_task", "mem_gb"):
            if (value := self.resources.get(name)) is not None and value < 1:
                raise UsageError(f"hydra.launcher.{name}={value}: allowed is a whole number of at least 1")

    def _is_changed(self, setting: "Field[Any]") -> bool:
        default = {} if setting.default is MISSING else setting.default
        return bool(self.resources[setting.name] != default)

    def _complete(self, config: DictConfig) -> JobReturn:
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
