"""The ways of training that `bench_sweep.py` compares, and what they cost."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory

import baseline_loader
import torch
from bench_cost import Cost, now

from lsbench.config import Run
from lsbench.execution import plan
from lsbench.execution.execute import execute
from lsbench.terms import Splits
from lsbench.training import loop, memory, stack

CPU = torch.device("cpu")
CORES = len(os.sched_getaffinity(0))
FORK = multiprocessing.get_context("fork")


# The ways of training: each takes runs and data, and returns when all are trained.


def loader(runs: Sequence[Run], splits: Splits, workers: int = 0) -> None:
    for run in runs:
        baseline_loader.train(run, splits, workers)


def sequential(runs: Sequence[Run], splits: Splits) -> None:
    for run in runs:
        train([run], splits)


def stacked(runs: Sequence[Run], splits: Splits) -> None:
    """As `plan` stacks them: one stack of MLPs, stacks of one for convolutions."""
    for jobs, _ in plan.stacks([plan.Job(run, splits) for run in runs], CPU):
        train([job.run for job in jobs], splits)


def train(runs: Sequence[Run], splits: Splits) -> loop.Trained:
    memory.keep_freed_memory()  # as the executors do
    return loop.train(stack.Stack(runs, splits, CPU))


def executed(runs: Sequence[Run], splits: Splits, executor: str) -> None:
    """What a sweep does: plan, train by the executor of this name, judge, store."""
    torch.set_num_threads(CORES)
    with TemporaryDirectory() as folder:
        placed = [replace(run, results_dir=folder, executor=executor) for run in runs]
        execute([plan.Job(run, splits) for run in placed])


@dataclass(frozen=True)
class Way:
    """``train`` in a process with ``threads`` threads, on the first ``runs`` of the sweep."""

    name: str
    train: Callable[[Sequence[Run], Splits], None]
    threads: int
    runs: int
    members: int = 1


def take_turns(ways: Sequence[Way], runs: Sequence[Run], splits: Splits, repeats: int) -> list[list[Cost]]:
    """Costs by way and turn. The first turn of each is its warm-up: a process forked without threads, which
    torch could not be forked with, keeps the way's caches from turn to turn."""
    servers = []
    for way in ways:
        here, there = FORK.Pipe()
        server = FORK.Process(target=_serve, args=(there, way, runs[: way.runs], splits))
        server.start()
        servers.append((here, server))
    costs: list[list[Cost]] = [[] for _ in ways]
    for turn in range(repeats + 1):
        for (pipe, _), of_way in zip(servers, costs, strict=True):
            pipe.send(True)
            of_way.append(pipe.recv())
        print(f"  turn {turn}:", *(f"{of_way[-1].cpu:.2f}" for of_way in costs), flush=True)
    for pipe, server in servers:
        pipe.send(False)
        server.join()
    return costs


def _serve(pipe: Connection, way: Way, runs: Sequence[Run], splits: Splits) -> None:
    torch.set_num_threads(way.threads)
    while pipe.recv():
        start = now()
        way.train(runs, splits)
        pipe.send(now() - start)
