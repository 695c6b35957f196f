"""The training strategies that `bench_sweep.py` compares, and a function that takes turns among them."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory

import baseline_loader
import torch
from bench_common import Cost, now

from lsbench.config import Run
from lsbench.execution import plan
from lsbench.execution.execute import execute
from lsbench.terms import Splits
from lsbench.training import loop, memory, stack

CPU = torch.device("cpu")
CORES = len(os.sched_getaffinity(0))
FORK = multiprocessing.get_context("fork")


def loader(runs: Sequence[Run], splits: Splits, workers: int = 0) -> None:
    """Train the runs one after another with a DataLoader."""
    for run in runs:
        baseline_loader.train(run, splits, workers)


def sequential(runs: Sequence[Run], splits: Splits) -> None:
    """Train the runs one after another, each as a stack of one."""
    for run in runs:
        train([run], splits)


def stacked(runs: Sequence[Run], splits: Splits) -> None:
    """Train the runs in the stacks of `plan`: one stack of MLPs, stacks of one for convolutions."""
    members = [plan.Job(run, splits) for run in runs]
    for jobs, _ in plan.group_jobs(members, CPU, 1, cuda_graphs=False, local=True):
        train([job.run for job in jobs], splits)


def train(runs: Sequence[Run], splits: Splits) -> loop.Trained:
    """Train the runs as one stack, with memory handled as the executors handle it."""
    memory.keep_freed_memory()
    return loop.train(stack.Stack(runs, splits, CPU))


def executed(runs: Sequence[Run], splits: Splits, executor: str) -> None:
    """Plan, train with this executor, evaluate and store, as a sweep does."""
    torch.set_num_threads(CORES)
    with TemporaryDirectory() as folder:
        members = [replace(run, results_dir=folder, executor=executor) for run in runs]
        execute([plan.Job(run, splits) for run in members])


@dataclass(frozen=True)
class Strategy:
    """``train`` in a process with ``threads`` threads, on the first ``runs`` runs of the sweep."""

    name: str
    train: Callable[[Sequence[Run], Splits], None]
    threads: int
    runs: int
    members: int = 1


def take_turns(
    strategies: Sequence[Strategy], runs: Sequence[Run], splits: Splits, turns: int
) -> list[list[Cost]]:
    """Costs by strategy and turn; the first turn of each is its warm-up.

    Each strategy has a process that is forked while this one has no threads, since torch cannot be forked
    after it has used them, and that keeps its caches from turn to turn.
    """
    workers = []
    for strategy in strategies:
        pipe, worker_pipe = FORK.Pipe()
        worker = FORK.Process(target=_serve, args=(worker_pipe, strategy, runs[: strategy.runs], splits))
        worker.start()
        workers.append((pipe, worker))
    costs: list[list[Cost]] = [[] for _ in strategies]
    for turn in range(turns + 1):
        for (pipe, _), values in zip(workers, costs, strict=True):
            pipe.send(True)
            values.append(pipe.recv())
        print(f"  turn {turn}:", *(f"{values[-1].cpu:.2f}" for values in costs), flush=True)
    for pipe, worker in workers:
        pipe.send(False)
        worker.join()
    return costs


def _serve(pipe: Connection, strategy: Strategy, runs: Sequence[Run], splits: Splits) -> None:
    torch.set_num_threads(strategy.threads)
    while pipe.recv():
        start = now()
        strategy.train(runs, splits)
        pipe.send(now() - start)
