"""How planned stacks get trained: one file an executor, and what all of them share in training.py.

An executor is a function ``run(stacks, board, *, wait)`` that trains and stores each stack, and returns those
that another process holds, unless it is to ``wait`` for them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lsbench.execution import dependencies, local, process_pool, slurm, train_stack
from lsbench.execution.plan import Job, StackPlan, plan
from lsbench.execution.progress import SweepProgress
from lsbench.store import checkpoints, runs

log = logging.getLogger(__name__)

Executor = Callable[..., list[StackPlan]]
EXECUTORS: dict[str, Executor] = {"stack": local.run, "pool": process_pool.run, "graphs": local.run}


def execute(jobs: Sequence[Job], cluster: Mapping[str, Any] | None = None) -> None:
    """Train every run that is not stored yet and store it; equal jobs train once. ``cluster`` holds what to
    ask of Slurm, where that is to train them.

    Students train when their teachers are stored. A run that fails is stored as failed, and the others go on.
    Raises `StorageError` before any training where results cannot be written, and `UsageError` for a teacher
    that is missing or does not fit.
    """
    executors, node = EXECUTORS, None
    if cluster is not None:
        executors, node = {"slurm": partial(slurm.run, resources=cluster)}, slurm.node(cluster)
    for results_dir in {job.run.results_dir for job in jobs}:
        train_stack.recover(results_dir)
    left, asked = pending(jobs), len({(job.run.results_dir, job.run_id) for job in jobs})
    if len(left) < asked:
        log.info("%d of %d runs are stored already", asked - len(left), asked)
    dependencies.check_teachers(left, jobs)
    for results_dir in {job.run.results_dir for job in left}:
        runs.check_writable(results_dir)
    with SweepProgress(len(left), sum(job.run.epochs for job in left)) as board:
        for wave in dependencies.by_dependency(left):
            _train(plan(dependencies.with_finished_teachers(wave, board), node=node), executors, board)


def _train(planned: Sequence[StackPlan], executors: Mapping[str, Executor], board: SweepProgress) -> None:
    """Train ``planned``, each stack by its executor."""
    for results_dir in {stack.results_dir for stack in planned}:
        checkpoints.save_stacks(results_dir, [s.saved for s in planned if s.results_dir == results_dir])
    for name, run in executors.items():
        group = [stack for stack in planned if stack.executor == name]
        if group and (busy := run(group, board, wait=False)):
            log.info("waiting for another process that trains %s", ", ".join(map(str, busy)))
            run(busy, board, wait=True)


def pending(jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose runs are not stored, each once."""
    wanted = {(job.run.results_dir, job.run_id): job for job in jobs}
    return [job for place, job in wanted.items() if not runs.is_finished(runs.read(*place))]
