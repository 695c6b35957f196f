"""Training of one stack, from its last checkpoint to stored runs."""

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


def train(planned: StackPlan, progress: SweepProgress, *, wait: bool) -> bool:
    """Train a stack from its last checkpoint, if there is one, and store its runs.

    Returns False if another process holds the stack, unless ``wait``. Out of memory halves the stack; any
    other error is stored as the reason why its runs failed. A signal takes effect between two steps, after a
    checkpoint is saved, or once the runs are stored.
    """
    memory.keep_freed_memory()
    with checkpoints.hold(planned.folder, wait=wait) as acquired:
        if not acquired:
            return False
        if is_stored(planned):  # by a process that held it before
            progress.finish(planned.key, planned.epochs, len(planned.jobs), 0)
            checkpoints.drop(planned.folder)
            return True
        progress.begin(str(planned))
        with signals.GATE.hold():
            outcomes = _outcomes(planned, progress)
            if outcomes:
                _store(planned, outcomes, device_name(planned.device))
                failed = sum(outcome.status != "done" for outcome in outcomes)
                progress.finish(planned.key, planned.epochs, len(outcomes), failed)
    if not outcomes:
        log.warning("%s: out of memory; trying again in halves", planned)
        progress.discard(planned.key)
        for half in halve(planned):
            train(half, progress, wait=True)
    return True


def fail(planned: StackPlan, reason: str) -> None:
    """Store the runs of a stack as failed, except those that are stored: its process was lost."""
    with checkpoints.hold(planned.folder):
        _store(planned, [Outcome("failed", {}, error=reason)] * len(planned.jobs), str(planned.device))


def halve(planned: StackPlan) -> tuple[StackPlan, StackPlan]:
    """Replace a stack that is too large by two of half its size."""
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
    """Return whether every run of the stack is finished."""
    return all(runs.is_finished(runs.read(planned.results_dir, job.run_id)) for job in planned.jobs)


def has_checkpoint(planned: StackPlan) -> bool:
    return (planned.folder / "state.pt").exists()


def _store(planned: StackPlan, outcomes: Sequence[Outcome], device: str) -> None:
    """Write every member's run to a staging folder, then move them all into the store. If the process is
    killed here, either the stack is trained to its end again or `recover` moves what is staged."""
    part = planned.folder / "rows.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        for job, outcome in zip(planned.jobs, outcomes, strict=True):
            runs.write(part, job.run, job.splits.sha256, outcome, device)
    except StorageError:
        shutil.rmtree(part, ignore_errors=True)  # the disk may be full
        raise
    part.replace(planned.folder / "rows")
    _commit(planned.folder, planned.results_dir)


def _outcomes(planned: StackPlan, progress: SweepProgress) -> list[Outcome]:
    """Train and evaluate a stack; empty if it does not fit in memory and can be halved. The stack itself is
    freed when this returns, so that its halves have the memory."""
    try:
        return evaluate.evaluate(_trained(planned, progress))
    except LsbenchError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) and len(planned.jobs) > 1:
            return []
        log.debug("stack failed", exc_info=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        log.warning("%s failed: %s", planned, reason)
        return [Outcome("failed", {}, error=reason)] * len(planned.jobs)


def _trained(planned: StackPlan, progress: SweepProgress) -> loop.Trained:
    """Train a stack from its last checkpoint to its end.

    Saves a checkpoint every ``checkpoint_minutes``, and before it raises a signal that is pending.
    """
    training = _resumed(planned)
    size = training.stack.size
    if steps := int(training.stack.optimizer.steps):
        progress.resume(planned.key, size * training.epoch)
        log.info("%s: resuming after %s", planned, count(steps, "step"))
    minutes = planned.jobs[0].run.checkpoint_minutes
    interval = 60 * minutes if minutes else math.inf
    saved_at = time.monotonic()
    for epoch_loss in training.run():
        if epoch_loss is not None:
            progress.advance(planned.key, size, epoch_loss)
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
            log.warning("%s: its checkpoint does not fit (%s); starting again from step 0", planned, error)
            return _fresh(planned)
    return training


def _fresh(planned: StackPlan) -> loop.Training:
    members, splits = [job.run for job in planned.jobs], planned.jobs[0].splits
    graphs, strategy = planned.cuda_graphs, planned.strategy
    return loop.Training(stack.Stack(members, splits, planned.device, graphs=graphs, strategy=strategy))
