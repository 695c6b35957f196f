"""The executor `pool`: a process a stack, as many at once as there are cores for."""

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
from lsbench.execution.progress import SweepProgress, count

log = logging.getLogger(__name__)

SECONDS_TO_STOP = 9.0  # for the processes to keep their states after a signal
PR_SET_PDEATHSIG = 1  # see prctl(2)


@dataclass
class Worker:
    """A process and the stack that it trains; ``trained`` or ``error`` is what it said at its end."""

    planned: StackPlan
    process: BaseProcess
    trained: bool | None = None
    error: Exception | None = None


def run(stacks: Sequence[StackPlan], board: SweepProgress, *, wait: bool) -> list[StackPlan]:
    """Train and store ``stacks``, the longest first; returns those that another process holds.

    A process that is killed takes only its own stack with it. That goes on from the state that was kept of
    it; where it is lost again, or nothing was kept, several members are tried again in halves, since memory
    is the usual reason, and a single run is stored as failed.
    """
    waiting = deque(sorted(stacks, key=lambda planned: -planned.epochs))
    cores = torch.get_num_threads()
    log.info("%s in processes of their own, on %s", count(len(stacks), "stack"), count(cores, "core"))
    workers: dict[Connection, Worker] = {}
    busy, lost = [], set[str]()
    try:
        while waiting or workers:
            while waiting and _has_room(waiting[0], workers.values(), cores):
                with _signals_blocked():  # they find it among the workers, and it knows what to do with them
                    connection, worker = _start(waiting.popleft(), wait)
                    workers[connection] = worker
            for connection in cast(list[Connection], ready(list(workers))):
                worker = workers[connection]
                if _listen(connection, worker, board):
                    continue
                del workers[connection]
                if worker.error:
                    raise worker.error
                if worker.trained is None:
                    waiting.extend(_lost(worker, board, again=worker.planned.key in lost))
                    lost.add(worker.planned.key)
                elif not worker.trained:
                    busy.append(worker.planned)
    finally:
        if workers:
            log.warning("stopping: %s may keep what is trained so far", count(len(workers), "process"))
            _stop([worker.process for worker in workers.values()])
    return busy


def _has_room(planned: StackPlan, workers: Collection[Worker], cores: int) -> bool:
    used = sum(worker.planned.threads for worker in workers)
    return not workers or used + planned.threads <= cores


def _start(planned: StackPlan, wait: bool) -> tuple[Connection, Worker]:
    """Fork where that is safe, as torch's DataLoader does: no GPU, and one thread in the new process. It
    costs nothing and shares the data; a fresh interpreter has to import torch."""
    safe = sys.platform == "linux" and planned.threads == 1 and not torch.cuda.is_available()
    context: Any = multiprocessing.get_context("fork" if safe else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_work, args=(planned, theirs, wait, log.getEffectiveLevel()), daemon=True
    )
    process.start()
    theirs.close()  # so that its end is the end of the pipe
    return ours, Worker(planned, process)


def _listen(connection: Connection, worker: Worker, board: SweepProgress) -> bool:
    """Hear one message of a worker; False where it has ended."""
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
        getattr(board, name)(*arguments)
    return True


def _lost(worker: Worker, board: SweepProgress, again: bool) -> Sequence[StackPlan]:
    """Name a process that ended before its stack was stored; the stacks that are to be tried in its place."""
    planned = worker.planned
    train_stack.recover(planned.results_dir)
    if train_stack.is_stored(planned):  # it was killed after all its work
        board.finish(planned.key, planned.epochs, len(planned.jobs), 0)
        return ()
    code = worker.process.exitcode or 0
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    reason = f"the process that trained it was {how}"
    board.discard(planned.key)
    if train_stack.has_checkpoint(planned) and not again:
        log.warning("%s: %s; going on from what is kept of it", planned, reason)
        return [planned]
    if len(planned.jobs) > 1:
        log.warning("%s: %s; trying again in halves", planned, reason)
        return train_stack.halve(planned)
    log.warning("%s: %s", planned, reason)
    train_stack.fail(planned, reason)
    board.finish(planned.key, planned.epochs, 1, 1)
    return ()


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End ``processes``, with time to keep their states unless that is interrupted too."""
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


def _work(planned: StackPlan, connection: Connection, wait: bool, level: int) -> None:
    """What a worker does, saying what is of ``level`` or more. It ends with its parent, through which Ctrl-C
    and a closed terminal reach it, and on the first SIGTERM; the parent kills what does not end in time."""
    teller = PipeProgress(connection)
    logging.getLogger().handlers = [QueueHandler(cast(Any, teller))]
    logging.getLogger("lsbench").setLevel(level)
    torch.set_num_threads(planned.threads)
    signals.GATE.install(only_first=True)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPPING)
    try:
        teller.ended(train_stack.train(planned, cast(SweepProgress, teller), wait=wait))
    except signals.Terminated:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        teller.error(error)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the interpreter is on its way out


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Let signals wait for the end, in this process and in those that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
