"""The backend `slurm`: one Slurm job per stack, submitted through submitit; this process waits for them.

The jobs and this process share the results folder and see the data under the same path.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from lsbench.config import Run
from lsbench.errors import DataError, UsageError
from lsbench.execution import train_stack
from lsbench.execution.plan import Node, StackPlan, uses_cuda_graphs, with_data
from lsbench.execution.progress import SweepProgress
from lsbench.formatting import count
from lsbench.store import checkpoints, runs
from lsbench.terms import DONE
from lsbench.training.device import choose_device

log = logging.getLogger(__name__)

SECONDS_BETWEEN_POLLS = 1.0  # of the jobs' result files
SECONDS_BETWEEN_QUERIES = 15.0  # of Slurm's controller, which all users share
# submitit's parameters for every kind of cluster; those for Slurm alone are called slurm_NAME.
GENERAL = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node")
# The final states of sacct(1). submitit's own `done` would include SUSPENDED.
FINAL_STATES = "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY REVOKED TIMEOUT".split()


class StackJob:
    """The work of a Slurm job. submitit pickles it and calls ``checkpoint`` when the job is preempted or its
    time is up: the job is queued again and resumes from the last checkpoint of its stack."""

    def __call__(self, configs: Sequence[Run], run_ids: Sequence[str], threads: int, strategy: str) -> None:
        """Train and store the stack. Raises `DataError` if the node has other data than the machine that
        planned it."""
        torch.set_num_threads(threads)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        jobs = tuple(with_data(configs))
        if [job.run_id for job in jobs] != list(run_ids):
            raise DataError(
                f"{configs[0].data.name}: the node has other data than the machine that planned the stack"
            )
        device = choose_device(jobs[0].run.device)
        cuda_graphs = uses_cuda_graphs(jobs[0].run, device)
        plan = StackPlan(jobs, device, "local", threads, strategy, cuda_graphs)
        with SweepProgress(len(jobs), plan.epochs) as progress:
            train_stack.train(plan, progress, wait=True)

    def checkpoint(self, *arguments: Any) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def node(resources: Mapping[str, Any]) -> Node:
    """The node that ``resources``, the launcher's settings, ask for."""
    device = torch.device("cuda" if resources.get("gpus_per_node") else "cpu")
    return Node(device, resources.get("cpus_per_task") or 1)


def run(
    plans: Sequence[StackPlan], progress: SweepProgress, *, wait: bool, resources: Mapping[str, Any]
) -> list[StackPlan]:
    """Submit ``plans`` as a job array and wait for it. A lost job loses only its own stack. The jobs are
    cancelled if this process is stopped.

    Raises `UsageError` if submitit or Slurm is not installed, or Slurm refuses ``resources``.
    """
    try:
        jobs = _submit(plans, resources)
    except UsageError:
        for plan in plans:  # discard the saved plan: it was made for nodes that Slurm refused
            checkpoints.drop(plan.folder)
        raise
    log.info("%s, a Slurm job each: %s", count(len(jobs), "stack"), ", ".join(job.job_id for job in jobs))
    waiting = dict(zip(jobs, plans, strict=True))
    queried_at = time.monotonic()
    logged = ""
    try:
        while waiting:
            query = time.monotonic() - queried_at > SECONDS_BETWEEN_QUERIES
            queried_at = time.monotonic() if query else queried_at
            states = {job: _state(job, query) for job in waiting}
            for job in [job for job, state in states.items() if state in FINAL_STATES]:
                _finish(job, waiting.pop(job), progress)
            if query and (counts := _counts(states.values())) != logged:
                log.info("Slurm: %s", counts)
                logged = counts
            time.sleep(SECONDS_BETWEEN_POLLS if waiting else 0)
    finally:
        for job in waiting:
            job.cancel(check=False)
    return []


def _state(job: Any, query: bool) -> str:
    """The job's state in Slurm, queried now or as last known; COMPLETED once its result file exists."""
    if job.paths.result_pickle.exists():
        return "COMPLETED"
    state = job.watcher.get_state(job.job_id, mode="force" if query else "cache")
    return str(state).split()[0].rstrip("+")


def _counts(states: Iterable[str]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(Counter(states).items()))


def _submit(plans: Sequence[StackPlan], resources: Mapping[str, Any]) -> list[Any]:
    try:
        import submitit
        from submitit.core.utils import FailedJobError
    except ModuleNotFoundError:
        raise UsageError("hydra.launcher.cluster=slurm: needs pip install 'lsbench[slurm]'") from None
    given = {name: value for name, value in resources.items() if value is not None}
    retries = given.pop("max_num_timeout", 0)
    further = given.pop("additional_parameters", {})
    named = {name if name in GENERAL else f"slurm_{name}": value for name, value in given.items()}
    # job IDs may repeat, so each submission gets its own folder: an old result would pass for a new one
    started = f"{datetime.now():%Y-%m-%d-%H-%M-%S-%f}"
    logs = Path(plans[0].results_dir).absolute() / "hydra" / "slurm" / started
    try:
        executor = submitit.AutoExecutor(logs, cluster="slurm", slurm_max_num_timeout=retries)
        executor.update_parameters(name="lsbench", slurm_additional_parameters=dict(further), **named)
        configs = [[job.run.with_absolute_paths(Path.cwd()) for job in plan.jobs] for plan in plans]
        ids, threads = [plan.saved.run_ids for plan in plans], [plan.threads for plan in plans]
        strategies = [plan.strategy for plan in plans]
        return list(executor.map_array(StackJob(), configs, ids, threads, strategies))
    except (FailedJobError, RuntimeError, ValueError, NameError) as error:
        lines = str(error).strip().splitlines()
        reason = next((line for line in lines if line.startswith("sbatch: error")), lines[0])
        raise UsageError(f"hydra.launcher.cluster=slurm: {reason}") from error


def _finish(job: Any, plan: StackPlan, progress: SweepProgress) -> None:
    """Account for an ended job; runs that it did not store are stored as failed, with Slurm's reason."""
    checkpoints.recover(plan.results_dir)
    if error := job.exception():
        last = str(error).strip().splitlines()[-1] if job.paths.result_pickle.exists() else ""
        reason = f"Slurm job {job.job_id} ended as {job.state} {last}".strip()
        log.warning("%s: %s; its log: %s", plan, reason, job.paths.stderr)
        train_stack.fail(plan, reason)
    records = [runs.read(plan.results_dir, member.run_id) for member in plan.jobs]
    failed = sum(record is None or record["status"] != DONE for record in records)
    progress.finish(plan.key, plan.epochs, len(records), failed)
