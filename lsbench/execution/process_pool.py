"""The backend `pool`: one process per stack, as many at a time as there are cores for their threads.

It is for machines with many cores, where networks with convolutions train one at a time and would leave most
cores idle. On two cores it is no faster than one process with two threads: ResNet-8 trained at 1.01 times
[0.952, 1.02] the speed (results/benchmarks/sweep.md). It does not use GPUs. A machine with several needs one
process for each: the same command with device=cuda:0, device=cuda:1 and so on, on one store.
"""

import logging
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import CDLL
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ready
from multiprocessing.process import BaseProcess
from typing import Any, cast

import torch

from lsbench.execution import signals, train_stack
from lsbench.execution.plan import StackPlan
from lsbench.execution.progress import SweepProgress
from lsbench.formatting import count
from lsbench.store import checkpoints

log = logging.getLogger(__name__)

SECONDS_TO_STOP = 9.0  # for the processes to save checkpoints after a signal
PR_SET_PDEATHSIG = 1  # see prctl(2)


@dataclass
class Worker:
    """A process and the stack that it trains; ``trained`` or ``error`` is the result that it sent."""

    plan: StackPlan
    process: BaseProcess
    trained: bool | None = None
    error: Exception | None = None


def run(plans: Sequence[StackPlan], progress: SweepProgress, *, wait: bool) -> list[StackPlan]:
    """Train and store ``plans``, the longest first; return those that another process holds.

    A process that is killed loses only its own stack, which resumes once from its checkpoint. If there is
    none, or the process is killed again, several members are tried again in halves, since memory is the usual
    reason, and a single run is stored as failed.
    """
    waiting = deque(sorted(plans, key=lambda plan: -plan.epochs))
    cores = torch.get_num_threads()
    log.info("%s in separate processes, on %s", count(len(plans), "stack"), count(cores, "core"))
    workers: dict[Connection, Worker] = {}
    held: list[StackPlan] = []
    killed: set[str] = set()
    try:
        while waiting or workers:
            while waiting and has_room(waiting[0], workers.values(), cores):
                # So that a signal finds the new process among the workers. Blocked in this thread and in the
                # new process, it may still come to another thread, and then waits.
                with _signals_blocked(), signals.GATE.hold():
                    connection, worker = _start(waiting.popleft(), wait)
                    workers[connection] = worker
            for connection in cast(list[Connection], ready(list(workers))):
                worker = workers[connection]
                if _receive(connection, worker, progress):
                    continue
                del workers[connection]
                if worker.error:
                    raise worker.error
                if worker.trained is None:
                    waiting.extend(_replacements(worker, progress, killed_before=worker.plan.key in killed))
                    killed.add(worker.plan.key)
                elif not worker.trained:
                    held.append(worker.plan)
    finally:
        if workers:
            log.warning("stopping: waiting for %s to save checkpoints", count(len(workers), "process"))
            _stop([worker.process for worker in workers.values()])
    return held


def has_room(plan: StackPlan, workers: Collection[Worker], cores: int) -> bool:
    """True if the threads of ``plan`` fit beside those of ``workers``, or nothing else trains."""
    used = sum(worker.plan.threads for worker in workers)
    return not workers or used + plan.threads <= cores


def _start(plan: StackPlan, wait: bool) -> tuple[Connection, Worker]:
    """Fork if that is safe: without a GPU, and with one thread in the new process. It shares the data and
    takes no time; a new interpreter has to import torch."""
    can_fork = sys.platform == "linux" and plan.threads == 1 and not torch.cuda.is_available()
    context: Any = multiprocessing.get_context("fork" if can_fork else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(plan, sender, wait, log.getEffectiveLevel()), daemon=True)
    process.start()
    sender.close()  # so that the pipe ends with the process
    return receiver, Worker(plan, process)


def _receive(connection: Connection, worker: Worker, progress: SweepProgress) -> bool:
    """Handle one message of a worker; False if it has ended."""
    try:
        name, arguments = connection.recv()
    except EOFError:
        worker.process.join()
        return False
    if name == "ended":
        [worker.trained] = arguments
    elif name == "log":
        logging.getLogger(arguments[0].name).handle(arguments[0])
    elif name == "error":
        [worker.error] = arguments
    else:
        getattr(progress, name)(*arguments)
    return True


def _replacements(worker: Worker, progress: SweepProgress, killed_before: bool) -> Sequence[StackPlan]:
    """The stacks to train after a process ended without a result; ``killed_before`` if another that trained
    this stack did so."""
    plan = worker.plan
    checkpoints.recover(plan.results_dir)
    if train_stack.is_stored(plan):  # it was killed after all its work
        progress.finish(plan.key, plan.epochs, len(plan.jobs), 0)
        return ()
    code = worker.process.exitcode or 0
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    reason = f"the process that trained it was {how}"
    progress.discard(plan.key)
    if checkpoints.has_checkpoint(plan.folder) and not killed_before:
        log.warning("%s: %s; resuming from its checkpoint", plan, reason)
        return [plan]
    if len(plan.jobs) > 1:
        log.warning("%s: %s; trying again in halves", plan, reason)
        return train_stack.halve(plan)
    log.warning("%s: %s", plan, reason)
    train_stack.fail(plan, reason)
    progress.finish(plan.key, plan.epochs, 1, 1)
    return ()


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End ``processes``, with time to save their checkpoints unless a second signal arrives."""
    try:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + SECONDS_TO_STOP
        for process in processes:
            process.join(max(deadline - time.monotonic(), 0))
    finally:
        for process in processes:
            process.kill()
            process.join()


class PipeProgress:
    """A `SweepProgress` whose calls go through a pipe, and a queue for log records. A broken pipe is ignored:
    the parent's signal ends this process, and the run has not failed."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._send(name, arguments)

    def put_nowait(self, record: logging.LogRecord) -> None:
        self._send("log", (record,))

    def _send(self, *message: object) -> None:
        with suppress(BrokenPipeError):
            self.connection.send(message)


def _work(plan: StackPlan, connection: Connection, wait: bool, level: int) -> None:
    """Train a stack in a worker process, with log records from ``level`` on sent to the parent.

    It ends on the first SIGTERM, which it also gets when its parent dies. SIGINT and SIGHUP, from Ctrl-C or a
    closed terminal, are left to the parent, which kills a worker that does not end in time.
    """
    progress = PipeProgress(connection)
    logging.getLogger().handlers = [QueueHandler(cast(Any, progress))]
    logging.getLogger("lsbench").setLevel(level)
    torch.set_num_threads(plan.threads)
    signals.GATE.install(only_first=True)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPPING)
    try:
        progress.ended(train_stack.train(plan, cast(SweepProgress, progress), wait=wait))
    except signals.Terminated:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        progress.error(error)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing is left to save


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals in this process and in those that it starts until the context ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
