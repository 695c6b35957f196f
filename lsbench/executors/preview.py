"""What `--dry-run` shows: the stacks that would be trained, what is stored already, and how long it may take."""

import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from lsbench import stack
from lsbench.executors import pending
from lsbench.plan import Job, Planned, plan
from lsbench.report.comparison import fixed_table

STEPS = 6  # that are timed for an estimate, after one to warm up


def preview(jobs: Sequence[Job]) -> str:
    """The plan for ``jobs`` as a text. A few steps of each kind of stack are taken for the estimate; nothing
    is stored."""
    left = pending(jobs)
    planned = plan(left)
    places = {(job.run.results_dir, job.run_id) for job in jobs}
    lines = [f"{len(places)} runs: {len(places) - len(left)} stored, {len(left)} to train"]
    if not planned:
        return lines[0]
    kinds: dict[tuple[object, ...], list[Planned]] = {}
    for each in planned:
        kinds.setdefault((str(each), each.epochs, each.executor, each.threads), []).append(each)
    seconds = {key: estimate(group[0]) for key, group in kinds.items()}
    header = ["stacks", "of", "epochs", "executor", "threads", "about"]
    rows = [
        [
            f"{len(group)}",
            f"{each}",
            f"{epochs // len(each.jobs)}",
            executor,
            f"{threads}",
            _time(seconds[key]),
        ]
        for key, group in kinds.items()
        for each, (_, epochs, executor, threads) in [(group[0], key)]
    ]
    lines += ["", fixed_table(header, rows, 110, ["threads", "executor"]), ""]
    at_once = {"stack": 1, "pool": max(torch.get_num_threads() // planned[0].threads, 1)}
    total = sum(seconds[key] * len(group) / at_once[group[0].executor] for key, group in kinds.items())
    return "\n".join([*lines, f"about {_time(total)} in all, from {STEPS} steps of each kind of stack"])


def estimate(planned: Planned) -> float:
    """Seconds that the stack takes, from its first steps and one look at select."""
    runs, threads = [job.run for job in planned.jobs], torch.get_num_threads()
    moments: list[float] = []

    def clock(training: stack.Stack) -> None:
        if planned.device.type == "cuda":
            torch.cuda.synchronize(planned.device)
        moments.append(time.perf_counter())
        if len(moments) > STEPS:
            raise _EnoughError

    torch.set_num_threads(planned.threads)
    try:
        timed = stack.Stack(runs, planned.jobs[0].splits, planned.device, clock)
        try:
            timed.train_epoch()
        except _EnoughError:
            pass
        step = (moments[-1] - moments[0]) / max(len(moments) - 1, 1)
        timed.between_steps = lambda training: None
        started = time.perf_counter()
        timed.evaluate("select")
        return runs[0].epochs * (step * timed.steps + time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)


class _EnoughError(Exception):
    """Ends the epoch from within."""


def _time(seconds: float) -> str:
    return str(tqdm.format_interval(seconds))
