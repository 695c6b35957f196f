"""The executor `slurm`: a Slurm job a stack, sent through submitit; this process waits for their rows.

The jobs and this process share the results folder, and see the data under the same path.
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
from lsbench.execution.plan import Node, StackPlan, replays, with_data
from lsbench.execution.progress import SweepProgress, count
from lsbench.store import checkpoints, runs
from lsbench.training.device import choose_device

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_QUESTIONS = 15.0  # to Slurm itself, whose controller serves everybody
# These are submitit's for every kind of cluster; the others it takes with slurm_ before their names.
GENERAL = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node")
# The states of sacct(1) that are ends; submitit takes a suspended job for an ended one.
ENDS = "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY REVOKED TIMEOUT".split()


class Training:
    """What a Slurm job does. submitit pickles it, and calls ``checkpoint`` when Slurm wants the node back or
    the time is up: the job is queued again and goes on from the state that was kept last."""

    def __call__(self, configs: Sequence[Run], run_ids: Sequence[str], threads: int, strategy: str) -> None:
        """Raises `DataError` where the node has other data than the machine that planned the stack."""
        torch.set_num_threads(threads)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        jobs = tuple(with_data(configs))
        if [job.run_id for job in jobs] != list(run_ids):
            raise DataError(f"{configs[0].data.name}: the node has other data than the machine that planned")
        device = choose_device(jobs[0].run.device)
        executor = "graphs" if replays(jobs[0].run, device) else "stack"
        planned = StackPlan(jobs, device, executor, threads, strategy)
        with SweepProgress(len(jobs), planned.epochs) as board:
            train_stack.train(planned, board, wait=True)

    def checkpoint(self, *arguments: Any) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def node(resources: Mapping[str, Any]) -> Node:
    """The machine that ``resources``, the launcher's settings, ask for."""
    device = torch.device("cuda" if resources.get("gpus_per_node") else "cpu")
    return Node(device, resources.get("cpus_per_task") or 1, "slurm")


def run(
    stacks: Sequence[StackPlan], board: SweepProgress, *, wait: bool, resources: Mapping[str, Any]
) -> list[StackPlan]:
    """Send each of ``stacks`` as one job of an array and wait for them; a job that is lost takes only its own
    stack with it. The jobs are cancelled where this process is stopped.

    Raises `UsageError` where submitit or Slurm is not there, or refuses ``resources``.
    """
    try:
        jobs = _submit(stacks, resources)
    except UsageError:
        for planned in stacks:  # what was planned for nodes that were refused binds nobody
            checkpoints.drop(planned.folder)
        raise
    log.info("%s, a Slurm job each: %s", count(len(jobs), "stack"), ", ".join(job.job_id for job in jobs))
    waiting = dict(zip(jobs, stacks, strict=True))
    asked, said = time.monotonic(), ""
    try:
        while waiting:
            ask = time.monotonic() - asked > SECONDS_BETWEEN_QUESTIONS
            asked = time.monotonic() if ask else asked
            states = {job: _state(job, ask) for job in waiting}
            for job in [job for job, state in states.items() if state in ENDS]:
                _finish(job, waiting.pop(job), board)
            if ask and (counts := _counts(states.values())) != said:
                log.info("Slurm: %s", counts)
                said = counts
            time.sleep(SECONDS_BETWEEN_LOOKS if waiting else 0)
    finally:
        for job in waiting:
            job.cancel(check=False)
    return []


def _state(job: Any, ask: bool) -> str:
    """What Slurm says of the job, asked anew or as last heard; a job with a result is completed."""
    if job.paths.result_pickle.exists():
        return "COMPLETED"
    state = job.watcher.get_state(job.job_id, mode="force" if ask else "cache")
    return str(state).split()[0].rstrip("+")


def _counts(states: Iterable[str]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(Counter(states).items()))


def _submit(stacks: Sequence[StackPlan], resources: Mapping[str, Any]) -> list[Any]:
    try:
        import submitit
        from submitit.core.utils import FailedJobError
    except ModuleNotFoundError:
        raise UsageError("hydra.launcher.cluster=slurm: needs pip install 'lsbench[slurm]'") from None
    given = {name: value for name, value in resources.items() if value is not None}
    retries, further = given.pop("max_num_timeout", 0), given.pop("additional_parameters", {})
    named = {name if name in GENERAL else f"slurm_{name}": value for name, value in given.items()}
    # job numbers start again on a new node, so a folder of its own: an old result is none of this job
    logs = (
        Path(stacks[0].results_dir).absolute() / "hydra" / "slurm" / f"{datetime.now():%Y-%m-%d-%H-%M-%S-%f}"
    )
    try:
        executor = submitit.AutoExecutor(logs, cluster="slurm", slurm_max_num_timeout=retries)
        executor.update_parameters(name="lsbench", slurm_additional_parameters=dict(further), **named)
        configs = [[job.run.with_absolute_paths(Path.cwd()) for job in planned.jobs] for planned in stacks]
        kept = [planned.saved for planned in stacks]
        ids, threads, strategies = zip(
            *((each.runs, each.threads, each.strategy) for each in kept), strict=True
        )
        return list(executor.map_array(Training(), configs, ids, threads, strategies))
    except (FailedJobError, RuntimeError, ValueError, NameError) as error:
        lines = str(error).strip().splitlines()
        reason = next((line for line in lines if line.startswith("sbatch: error")), lines[0])
        raise UsageError(f"hydra.launcher.cluster=slurm: {reason}") from error


def _finish(job: Any, planned: StackPlan, board: SweepProgress) -> None:
    """Take note of an ended job. What it did not store is stored as failed, with what Slurm says of it."""
    train_stack.recover(planned.results_dir)
    if error := job.exception():
        last = str(error).strip().splitlines()[-1] if job.paths.result_pickle.exists() else ""
        reason = f"Slurm job {job.job_id} ended as {job.state} {last}".strip()
        log.warning("%s: %s; its log: %s", planned, reason, job.paths.stderr)
        train_stack.fail(planned, reason)
    records = [runs.read(planned.results_dir, member.run_id) for member in planned.jobs]
    failed = sum(record is None or record["status"] != "done" for record in records)
    board.finish(planned.key, planned.epochs, len(records), failed)
