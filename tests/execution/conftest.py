"""Fixtures that train sweeps in processes, kill these at a chosen moment, and check the store."""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lsbench.analysis.tables import runs_table
from lsbench.execution.plan import Job
from lsbench.store import checkpoints, runs
from lsbench.training import evaluate, stack
from lsbench.training.device import threads

MEMORY = Path("/dev/shm")  # saves hundreds of waits for the disk
FORK = multiprocessing.get_context("fork")
FILE_EVENTS = {"open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock"}
NOT_OUTCOMES = ["train_seconds", "finished"]


@pytest.fixture
def store(tmp_path):
    """A folder for stores, in memory if there is /dev/shm."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def one_thread():
    """One CPU thread, so that stacks can train in forked processes."""
    with threads(1):
        yield


@pytest.fixture
def two_cores():
    """Two CPU threads, so that the pool has two forked processes."""
    with threads(2):
        yield


@pytest.fixture
def start(one_thread):
    """Start ``function`` in a forked process."""
    started = []

    def go(function, *arguments):
        process = FORK.Process(target=function, args=arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of torch's idle threads
            process.start()
        started.append(process)
        return process

    go.context = FORK
    yield go
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def forked(start):
    """Run ``function`` in a forked process; return its exit code, or minus the signal that ended it."""

    def run(function, *arguments) -> int:
        process = start(function, *arguments)
        process.join()
        return process.exitcode

    return run


def _watch(moment):
    """Call ``moment(name)`` before every system call that changes files, within every write, and
    before every training step and evaluation of a stack, in this process from now on.

    The moment after a call is the one before the next: nothing outside the process can tell them apart.
    """
    sys.addaudithook(lambda event, _: moment(event) if event in FILE_EVENTS else None)
    for owner, name in (
        (os, "fsync"),
        (stack.Stack, "train_step"),
        (stack.Stack, "logits"),
        (evaluate, "evaluate"),
    ):
        setattr(owner, name, _announced(getattr(owner, name), lambda name=name: moment(name)))
    temporary = tempfile.NamedTemporaryFile

    def torn(**settings):
        file = temporary(**settings)
        write = file.write

        def in_two(content):
            write(content[: len(content) // 2])
            file.flush()
            moment("write")
            write(content[len(content) // 2 :])

        file.write = in_two
        return file

    tempfile.NamedTemporaryFile = torn


def _announced(function, announce):
    return lambda *arguments: (announce(), function(*arguments))[1]


@pytest.fixture
def moments(forked, tmp_path):
    """The names of the moments (see `_watch`) in a call of ``function``, in order."""

    def listed(function) -> list[str]:
        path = tmp_path / "moments"

        def logged():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            _watch(lambda name: os.write(handle, f"{name}\n".encode()))
            function()

        assert forked(logged) == 0
        return path.read_text().split()

    return listed


@pytest.fixture
def killed(forked):
    """Call ``function`` in a process that is killed at moment ``number``."""

    def run(function, number: int) -> None:
        def doomed():
            left = iter(range(number))
            _watch(lambda name: next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL))
            function()

        assert forked(doomed) == -signal.SIGKILL

    return run


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """A function that returns the number of training steps of each run since its last call, in all
    processes."""
    path = tmp_path / "steps"

    class Counted(stack.Stack):
        def __init__(self, members, splits, *others, **named):
            super().__init__(members, splits, *others, **named)
            self.ids = "".join(f"{run.run_id(splits.sha256)}\n" for run in members)

        def train_step(self, *arguments):
            with path.open("a") as file:
                file.write(self.ids)
            return super().train_step(*arguments)

    monkeypatch.setattr(stack, "Stack", Counted)

    def counted() -> Counter[str]:
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return Counter(lines)

    return counted


@pytest.fixture
def make_jobs(splits, make_run):
    """Jobs of four runs that make two stacks, of one epoch of two steps, in a given store."""

    def jobs(results_dir, seeds=(0, 1), **settings):
        shared = {
            "epochs": 1,
            "batch_size": 40,
            "executor": "stack",
            "results_dir": str(results_dir),
        } | settings
        return [Job(make_run(seed=s, dropout=p, **shared), splits) for p in (0.0, 0.5) for s in seeds]

    return jobs


@pytest.fixture
def table():
    """The text of runs.csv without times."""

    def text(jobs) -> str:
        records = [runs.read(job.run.results_dir, job.run_id) for job in jobs]
        return runs_table(records).drop(columns=NOT_OUTCOMES).to_csv()

    return text


PARSERS = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".csv": lambda path: [line.split(",") for line in path.read_text().splitlines()][1],
    ".npz": lambda path: dict(np.load(path)),
    ".pt": lambda path: torch.load(path, weights_only=True),
    ".yaml": lambda path: yaml.safe_load(path.read_text())["epochs"],
    ".lock": lambda path: None,
}


@pytest.fixture
def parse_all():
    """Parse every visible file of a store: an incomplete file must be hidden."""

    def parse(results_dir):
        for path in results_dir.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                PARSERS[path.suffix](path)

    return parse


@pytest.fixture
def is_tidy():
    """Return whether a store contains complete runs only, without locks, checkpoints or temporary files."""

    def check(results_dir) -> bool:
        left = list(checkpoints.stacks_dir(results_dir).rglob("*"))
        hidden = [path for path in (results_dir / "runs").glob("*/.*") if path.parent.name != ".stacks"]
        return not left and not hidden

    return check
