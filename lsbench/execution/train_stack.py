"""One planned stack, from what is kept of it to stored runs; its members get a row whatever happens."""

import logging
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from lsbench.errors import LsbenchError, StorageError
from lsbench.execution import signals
from lsbench.execution.plan import StackPlan
from lsbench.execution.progress import SweepProgress, count
from lsbench.store import checkpoints, runs
from lsbench.terms import Outcome
from lsbench.training import evaluate, loop, memory, stack
from lsbench.training.device import device_name

log = logging.getLogger(__name__)


def train(planned: StackPlan, board: SweepProgress, *, wait: bool) -> bool:
    """Train one stack and store its runs, going on from where an earlier attempt was stopped.

    False where another process holds the stack, unless it is to ``wait`` for that one to end. Out of memory
    halves the stack; what else fails is stored as failed. A signal is followed between two steps, when the
    state is kept, or once the runs are stored.
    """
    memory.keep_freed_memory()
    with checkpoints.hold(planned.folder, wait=wait) as acquired:
        if not acquired:
            return False
        if is_stored(planned):  # by a process that had it before
            board.finish(planned.key, planned.epochs, len(planned.jobs), 0)
            checkpoints.drop(planned.folder)
            return True
        board.begin(str(planned))
        with signals.GATE.hold():
            outcomes = _outcomes(planned, board)
            if outcomes:
                _store(planned, outcomes, device_name(planned.device))
                failed = sum(outcome.status != "done" for outcome in outcomes)
                board.finish(planned.key, planned.epochs, len(outcomes), failed)
    if not outcomes:
        log.warning("%s: out of memory; trying again in halves", planned)
        board.discard(planned.key)
        for half in halve(planned):
            train(half, board, wait=True)
    return True


def fail(planned: StackPlan, reason: str) -> None:
    """Store what is not stored of a stack as failed: its process was lost."""
    with checkpoints.hold(planned.folder):
        _store(planned, [Outcome("failed", {}, error=reason)] * len(planned.jobs), str(planned.device))


def halve(planned: StackPlan) -> tuple[StackPlan, StackPlan]:
    """Put two stacks of half the size in the place of one that is too large."""
    halves = planned.halves()
    checkpoints.save_stacks(planned.results_dir, [half.saved for half in halves])
    with checkpoints.hold(planned.folder):
        checkpoints.drop(planned.folder)
    return halves


def recover(results_dir: str | Path) -> None:
    """Bring in the runs of stacks that were cut off while they were being stored, and remove what is left of
    stacks that are stored or were never trained."""
    saved = {
        checkpoints.stack_dir(results_dir, stack.runs): stack
        for stack in checkpoints.saved_stacks(results_dir)
    }
    for folder in checkpoints.stack_dirs(results_dir):
        with checkpoints.hold(folder, wait=False) as acquired:
            if acquired and _is_over(folder, results_dir, saved.get(folder)):
                _commit(folder, results_dir)


def _is_over(folder: Path, results_dir: str | Path, saved: checkpoints.SavedStack | None) -> bool:
    """True if the stack has runs to bring in, or nothing that could be resumed, or only finished runs."""
    if (folder / "rows").exists():
        return True
    if saved is None:
        return not any((folder / name).exists() for name in ("plan.json", "state.pt"))
    with suppress(StorageError):
        return all(runs.is_finished(runs.read(results_dir, run_id)) for run_id in saved.runs)
    return False


def _commit(folder: Path, results_dir: str | Path) -> None:
    runs.commit_staged(results_dir, folder / "rows")
    checkpoints.drop(folder)


def is_stored(planned: StackPlan) -> bool:
    """Whether none of its runs need be trained."""
    return all(runs.is_finished(runs.read(planned.results_dir, job.run_id)) for job in planned.jobs)


def has_checkpoint(planned: StackPlan) -> bool:
    """Whether it could go on from a state."""
    return (planned.folder / "state.pt").exists()


def _store(planned: StackPlan, outcomes: Sequence[Outcome], device: str) -> None:
    """Write every member's run, then bring them in at one stroke: a stack that is cut off here is either
    trained to its end again from its last state, or all there."""
    part = planned.folder / "rows.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        for job, outcome in zip(planned.jobs, outcomes, strict=True):
            runs.write(part, job.run, job.splits.sha256, outcome, device)
    except StorageError:
        shutil.rmtree(part, ignore_errors=True)  # the disk is full enough
        raise
    part.replace(planned.folder / "rows")
    _commit(planned.folder, planned.results_dir)


def _outcomes(planned: StackPlan, board: SweepProgress) -> list[Outcome]:
    """Train and judge one stack; nothing where it is too large for the memory and could be smaller. The stack
    is gone when this returns, so that its halves have the room."""
    try:
        return evaluate.evaluate(_trained(planned, board))
    except LsbenchError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) and len(planned.jobs) > 1:
            return []
        log.debug("stack failed", exc_info=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        log.warning("%s failed: %s", planned, reason)
        return [Outcome("failed", {}, error=reason)] * len(planned.jobs)


def _trained(planned: StackPlan, board: SweepProgress) -> loop.Trained:
    """Train a stack from its last checkpoint to its end.

    Saves a checkpoint every ``checkpoint_minutes``, and before it raises a signal that is pending.
    """
    size, training = len(planned.jobs), _resumed(planned)
    if steps := int(training.stack.optimizer.steps):
        board.resume(planned.key, size * training.epoch)
        log.info("%s: going on after %s", planned, count(steps, "step"))
    interval, saved_at = 60 * planned.jobs[0].run.checkpoint_minutes or math.inf, time.monotonic()
    for epoch_loss in training.run():
        if epoch_loss is not None:
            board.advance(planned.key, size, epoch_loss)
        stop = signals.GATE.pending()
        if stop or time.monotonic() - saved_at > interval:
            checkpoints.save(planned.folder, training.state())
            saved_at = time.monotonic()
        if stop:
            raise stop
    return training.trained()


def _resumed(planned: StackPlan) -> loop.Training:
    """The training of a stack at its last checkpoint, or at its beginning if there is none that fits."""
    training = _fresh(planned)
    if state := checkpoints.load(planned.folder, planned.device):
        try:
            training.restore(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            log.warning("%s: the state that was kept does not fit (%s); starting anew", planned, error)
            return _fresh(planned)
    return training


def _fresh(planned: StackPlan) -> loop.Training:
    members, splits = [job.run for job in planned.jobs], planned.jobs[0].splits
    members_stack = stack.Stack(
        members, splits, planned.device, graphs=planned.graphs, strategy=planned.strategy
    )
    return loop.Training(members_stack)
