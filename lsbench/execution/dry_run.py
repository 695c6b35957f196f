"""What `--dry-run` shows: the stacks that would be trained, what is stored already, how long it may take."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from lsbench.execution import dependencies, slurm
from lsbench.execution.execute import pending
from lsbench.execution.plan import Job, StackPlan, plan
from lsbench.execution.progress import count
from lsbench.formatting import fixed_table
from lsbench.training.device import threads
from lsbench.training.timing import step_seconds, without_teacher

HEADER = ["stacks", "of", "epochs", "executor", "threads", "about"]
STEPS = 6  # that are timed for an estimate, after one to warm up


def preview(jobs: Sequence[Job], cluster: Mapping[str, Any] | None = None) -> str:
    """The plan for ``jobs`` as a text. A few steps of each kind of stack are taken for the estimate, which is
    of this machine and so none of a ``cluster``; nothing is stored."""
    left, node = pending(jobs), None if cluster is None else slurm.node(cluster)
    dependencies.check_teachers(left, jobs)
    planned = [planned for wave in dependencies.by_dependency(left) for planned in plan(wave, node=node)]
    places = {(job.run.results_dir, job.run_id) for job in jobs}
    lines = [f"{count(len(places), 'run')}: {len(places) - len(left)} stored, {len(left)} to train"]
    if not planned:
        return lines[0]
    kinds: dict[str, list[StackPlan]] = {}
    for each in planned:
        kinds.setdefault(f"{each} {each.epochs} {each.executor} {each.threads}", []).append(each)
    seconds = [math.nan if cluster is not None else estimate(group[0]) for group in kinds.values()]
    rows = [_row(group, each) for group, each in zip(kinds.values(), seconds, strict=True)]
    lines += ["", fixed_table(HEADER, rows, 110, [["threads"], ["executor"]])]
    if cluster is None:
        total = sum(each * _rounds(group) for group, each in zip(kinds.values(), seconds, strict=True))
        lines += ["", f"about {_time(total)} in all, from {STEPS} steps of each kind of stack"]
    return "\n".join(lines)


def _row(group: list[StackPlan], seconds: float) -> list[str]:
    first = group[0]
    epochs = first.jobs[0].run.epochs
    return [f"{len(group)}", f"{first}", f"{epochs}", first.executor, f"{first.threads}", _time(seconds)]


def _rounds(group: list[StackPlan]) -> float:
    """How many stacks of the group have to wait for each other."""
    at_once = torch.get_num_threads() // group[0].threads if group[0].executor == "pool" else 1
    return len(group) / max(at_once, 1)


def estimate(planned: StackPlan) -> float:
    """Seconds that the stack takes, from its first steps and one look at select."""
    runs = [job.run for job in planned.jobs]
    with threads(planned.threads):
        splits = planned.jobs[0].splits
        timed = without_teacher(
            runs, splits, planned.device, graphs=planned.graphs, strategy=planned.strategy
        )
        step = step_seconds(timed, STEPS)
        started = time.perf_counter()
        for _ in timed.logits("select"):
            pass
        return runs[0].epochs * (step * timed.steps_per_epoch + time.perf_counter() - started)


def _time(seconds: float) -> str:
    return "" if math.isnan(seconds) else str(tqdm.format_interval(max(seconds, 1)))
