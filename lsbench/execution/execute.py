"""Training of all runs of a command that are not final yet."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lsbench.execution import dependencies, process_pool, slurm, train_stack
from lsbench.execution.plan import Job, StackPlan, plan_stacks
from lsbench.execution.progress import SweepProgress
from lsbench.store import checkpoints, runs
from lsbench.training.device import threads

log = logging.getLogger(__name__)

# backend(plans, progress, wait=...) trains and stores each stack, and returns those that another process
# holds, unless it waits for them.
Backend = Callable[..., list[StackPlan]]


def execute(jobs: Sequence[Job], cluster: Mapping[str, Any] | None = None) -> None:
    """Train and store every run that is not final yet; equal jobs train once. With
    ``cluster``, the resources to request, Slurm trains them.

    Students train after their teachers are stored. A run that fails is stored as failed, and the others
    continue. Raises `StorageError` before any training if results cannot be written, and `UsageError` for a
    teacher that is missing or does not fit.
    """
    backends = {"local": train_here, "pool": process_pool.run}
    node = None
    if cluster is not None:
        backends = {"slurm": partial(slurm.run, resources=cluster)}
        node = slurm.node(cluster)
    for results_dir in {job.run.results_dir for job in jobs}:
        checkpoints.recover(results_dir)
    remaining = pending(jobs)
    total = len({(job.run.results_dir, job.run_id) for job in jobs})
    if len(remaining) < total:
        log.info("%d of %d runs are stored already", total - len(remaining), total)
    dependencies.check_teachers(remaining, jobs)
    for results_dir in {job.run.results_dir for job in remaining}:
        runs.check_writable(results_dir)
    with SweepProgress(len(remaining), sum(job.run.epochs for job in remaining)) as progress:
        for wave in dependencies.by_dependency(remaining):
            ready = dependencies.with_finished_teachers(wave, progress)
            _train(plan_stacks(ready, node), backends, progress)


def _train(plans: Sequence[StackPlan], backends: Mapping[str, Backend], progress: SweepProgress) -> None:
    """Train each stack with its backend; first those that no other process holds."""
    for results_dir in {plan.results_dir for plan in plans}:
        saved = [plan.saved for plan in plans if plan.results_dir == results_dir]
        checkpoints.save_stacks(results_dir, saved)
    for name, backend in backends.items():
        of_backend = [plan for plan in plans if plan.backend == name]
        if of_backend and (held := backend(of_backend, progress, wait=False)):
            log.info("waiting for another process that trains %s", ", ".join(map(str, held)))
            backend(held, progress, wait=True)


def train_here(plans: Sequence[StackPlan], progress: SweepProgress, *, wait: bool) -> list[StackPlan]:
    """The backend `local`: one stack after another in this process, with all threads or the whole GPU."""
    held = []
    for plan in plans:
        with threads(plan.threads):
            if not train_stack.train(plan, progress, wait=wait):
                held.append(plan)
    return held


def pending(jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose runs are not final (failed ones are trained again), each once."""
    unique = {(job.run.results_dir, job.run_id): job for job in jobs}
    return [job for key, job in unique.items() if not runs.is_final(runs.read(*key))]
