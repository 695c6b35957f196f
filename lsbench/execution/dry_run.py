"""The preview that `--dry-run` prints: stored runs, the stacks to train, and an estimate of their time."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from lsbench.execution import dependencies, slurm
from lsbench.execution.execute import pending
from lsbench.execution.plan import Job, StackPlan, plan_stacks
from lsbench.formatting import count, fixed_table
from lsbench.training.device import threads
from lsbench.training.timing import step_seconds, without_teacher

HEADER = ["stacks", "of", "epochs", "executor", "threads", "about"]
STEPS = 6  # timed for an estimate, after a warm-up step


def preview(jobs: Sequence[Job], cluster: Mapping[str, Any] | None = None) -> str:
    """The plan for ``jobs`` as text. A few steps of each kind of stack are timed for the estimate, unless a
    ``cluster`` is to train them; nothing is stored."""
    remaining = pending(jobs)
    node = None if cluster is None else slurm.node(cluster)
    dependencies.check_teachers(remaining, jobs)
    total = len({(job.run.results_dir, job.run_id) for job in jobs})
    lines = [f"{count(total, 'run')}: {total - len(remaining)} stored, {len(remaining)} to train"]
    if not remaining:
        return lines[0]
    kinds: dict[str, list[StackPlan]] = {}
    for wave in dependencies.by_dependency(remaining):
        for plan in plan_stacks(wave, node):
            key = f"{plan} {plan.epochs} {plan.executor} {plan.threads}"
            kinds.setdefault(key, []).append(plan)
    groups = list(kinds.values())
    seconds = [math.nan if cluster is not None else estimate(group[0]) for group in groups]
    rows = [_row(group, spent) for group, spent in zip(groups, seconds, strict=True)]
    lines += ["", fixed_table(HEADER, rows, 110, [["threads"], ["executor"]])]
    if cluster is None:
        total_seconds = sum(spent * _rounds(group) for group, spent in zip(groups, seconds, strict=True))
        lines += [
            "",
            f"about {_time(total_seconds)} in all, estimated from {STEPS} steps of each kind of stack",
        ]
    return "\n".join(lines)


def _row(group: list[StackPlan], seconds: float) -> list[str]:
    first = group[0]
    epochs = first.jobs[0].run.epochs
    return [f"{len(group)}", f"{first}", f"{epochs}", first.executor, f"{first.threads}", _time(seconds)]


def _rounds(group: list[StackPlan]) -> float:
    """The number of stacks of the group that train one after another."""
    at_once = torch.get_num_threads() // group[0].threads if group[0].backend == "pool" else 1
    return len(group) / max(at_once, 1)


def estimate(plan: StackPlan) -> float:
    """The training time of a stack in seconds, from its first steps and one evaluation on select."""
    runs = [job.run for job in plan.jobs]
    with threads(plan.threads):
        splits = plan.jobs[0].splits
        timed = without_teacher(runs, splits, plan.device, graphs=plan.cuda_graphs, strategy=plan.strategy)
        step = step_seconds(timed, STEPS)
        started = time.perf_counter()
        for _ in timed.logits("select"):
            pass
        return runs[0].epochs * (step * timed.steps_per_epoch + time.perf_counter() - started)


def _time(seconds: float) -> str:
    return "" if math.isnan(seconds) else str(tqdm.format_interval(max(seconds, 1)))
