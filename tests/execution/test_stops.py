"""Sweeps that a signal stops. The command is reduced to its sweep; test_cli.py stops the whole command."""

import multiprocessing
import os
import signal
import sys
import threading
import time

import pytest
import torch

from lsbench import cli
from lsbench.cli import train as train_command
from lsbench.execution import process_pool, signals
from lsbench.execution.execute import execute
from lsbench.training import stack

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture
def command(monkeypatch, forked):
    """Run `lsbench train` for these jobs, with ``act()`` before step ``at``; return the exit code."""

    def run(jobs, at=0, act=None) -> int:
        def train(arguments):
            # the pool has two processes; with two threads, a forked one would hang
            torch.set_num_threads(2 if jobs[0].run.executor == "pool" else 1)
            execute(jobs)
            return 0

        def program():
            if act:
                before_step(at, act)
            train_command.main = train
            sys.exit(cli.main(["train", "-m", "alpha=0,0.1"]))

        return forked(program)

    return run


def before_step(number, act):
    """Call ``act()`` once in each process, before its training step ``number``."""
    step, taken = stack.Stack.train_step, []

    def acting(self, *arguments):
        taken.append(1)
        if len(taken) == number:
            act()
        return step(self, *arguments)

    stack.Stack.train_step = acting


def stop_alone(number):
    return lambda: os.kill(os.getpid(), number)


def stop_pool(number):
    """Send ``number`` to the pool, and wait until the pool stops this worker. Only the first worker sends it:
    a second signal would stop the pool without waiting."""
    first = multiprocessing.Lock()

    def act():
        if first.acquire(block=False):
            os.kill(os.getppid(), number)
        while not signals.GATE.pending():
            time.sleep(0.001)

    return act


@pytest.mark.parametrize(("number", "code"), STOPS)
@pytest.mark.parametrize(("executor", "stop"), [("stack", stop_alone), ("pool", stop_pool)])
def test_a_stopped_sweep_is_resumed_at_its_step(
    executor, stop, number, code, command, make_jobs, table, store, steps, capfd, caplog
):
    """The signal arrives in the middle of an epoch, when no checkpoint is due."""
    clean, jobs = (
        make_jobs(store / "clean", epochs=2),
        make_jobs(store / "stopped", epochs=2, executor=executor),
    )
    execute(clean)
    steps()
    assert command(jobs, 3, stop(number)) == code
    message = capfd.readouterr().err.splitlines()[-1]
    assert message.endswith("ed; resume with: lsbench train -m alpha=0,0.1")
    assert list(store.rglob("state.pt")) and not list(store.glob("stopped/runs/*/result.json"))
    before = steps()
    caplog.set_level("INFO", "lsbench")
    execute(jobs)
    assert any("resuming after 3 steps" in message for message in caplog.messages)  # the pool's other: less
    assert before + steps() == dict.fromkeys((job.run_id for job in jobs), 4), "no step is lost"
    assert table(jobs) == table(clean)


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_second_signal_while_a_checkpoint_is_saved_leaves_a_valid_store(
    number, code, command, make_jobs, table, store, parse_all, is_tidy, capfd
):
    clean, jobs = make_jobs(store / "clean", epochs=2), make_jobs(store / "stopped", epochs=2)
    execute(clean)

    def twice():
        fsync, signals.SECONDS_APART = os.fsync, 0
        os.fsync = lambda handle: os.kill(os.getpid(), number) or fsync(handle)
        os.kill(os.getpid(), number)

    assert command(jobs, 3, twice) == code
    assert "resume with: lsbench train -m" in capfd.readouterr().err.splitlines()[-1]
    parse_all(store / "stopped")
    assert not list(store.rglob("*state.pt*"))
    execute(jobs)
    assert table(jobs) == table(clean) and is_tidy(store / "stopped")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_while_a_process_starts_stops_that_process_too(
    threads, command, make_jobs, store, monkeypatch
):
    """With a second thread, the system gives the signal to the thread that does not block it."""
    start, stop, has_room = process_pool._start, process_pool._stop, process_pool.has_room

    def in_threads(*arguments):
        if threads == 2:
            threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
        return has_room(*arguments)

    def signalled(*arguments):
        started = start(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # for the other thread to run
        return started

    def counted(processes):
        (store / "number").write_text(str(len(processes)))
        stop(processes)

    monkeypatch.setattr(process_pool, "has_room", in_threads)
    monkeypatch.setattr(process_pool, "_start", signalled)
    monkeypatch.setattr(process_pool, "_stop", counted)
    assert command(make_jobs(store, executor="pool")) == 130
    assert (store / "number").read_text() == "1"


def test_a_signal_while_runs_are_stored_takes_effect_afterwards(command, make_jobs, store, monkeypatch):
    jobs = make_jobs(store)
    replace, renamed = os.rename, []

    def signalled(*arguments, **settings):
        if not renamed:
            renamed.append(arguments)
            os.kill(os.getpid(), signal.SIGTERM)
        replace(*arguments, **settings)

    monkeypatch.setattr(os, "rename", signalled)
    assert command(jobs) == 143
    assert len(list(store.glob("runs/*/result.json"))) == 2
