"""Training of one stack, from its last checkpoint to stored runs."""

import logging
import math
import time
from collections.abc import Sequence

import torch

from lsbench.errors import LsbenchError
from lsbench.execution import signals
from lsbench.execution.plan import StackPlan
from lsbench.execution.progress import SweepProgress
from lsbench.formatting import count
from lsbench.store import checkpoints, runs
from lsbench.terms import DONE, FAILED, Outcome
from lsbench.training import evaluate, loop, memory, stack
from lsbench.training.device import device_name

log = logging.getLogger(__name__)


def train(plan: StackPlan, progress: SweepProgress, *, wait: bool) -> bool:
    """Train a stack from its last checkpoint, if there is one, and store its runs.

    Returns False if another process holds the stack, unless ``wait``. Out of memory halves the stack; any
    other error is stored as the reason why its runs failed. A signal takes effect between two steps, after a
    checkpoint is saved, or once the runs are stored.
    """
    memory.keep_freed_memory()
    with checkpoints.hold(plan.folder, wait=wait) as acquired:
        if not acquired:
            return False
        if is_stored(plan):  # by a process that held it before
            progress.finish(plan.key, plan.epochs, len(plan.jobs), 0)
            checkpoints.drop(plan.folder)
            return True
        progress.begin(str(plan))
        with signals.GATE.hold():
            outcomes = _outcomes(plan, progress)
            if outcomes:
                _store(plan, outcomes, device_name(plan.device))
                failed = sum(outcome.status != DONE for outcome in outcomes)
                progress.finish(plan.key, plan.epochs, len(outcomes), failed)
    if not outcomes:
        log.warning("%s: out of memory; trying again in halves", plan)
        progress.discard(plan.key)
        for half in halve(plan):
            train(half, progress, wait=True)
    return True


def fail(plan: StackPlan, reason: str) -> None:
    """Store the runs of a stack as failed, except those that are stored: its process was lost."""
    with checkpoints.hold(plan.folder):
        _store(plan, [Outcome(FAILED, {}, error=reason)] * len(plan.jobs), str(plan.device))


def halve(plan: StackPlan) -> tuple[StackPlan, StackPlan]:
    """Replace a stack that is too large by two of half its size."""
    halves = plan.halves()
    checkpoints.save_stacks(plan.results_dir, [half.saved for half in halves])
    with checkpoints.hold(plan.folder):
        checkpoints.drop(plan.folder)
    return halves


def is_stored(plan: StackPlan) -> bool:
    """Return whether every run of the stack is final."""
    return all(runs.is_final(runs.read(plan.results_dir, job.run_id)) for job in plan.jobs)


def _store(plan: StackPlan, outcomes: Sequence[Outcome], device: str) -> None:
    members = [(job.run, job.splits.sha256) for job in plan.jobs]
    checkpoints.store_runs(plan.results_dir, plan.folder, members, outcomes, device)


def _outcomes(plan: StackPlan, progress: SweepProgress) -> list[Outcome]:
    """Train and evaluate a stack; empty if it does not fit in memory and can be halved. The stack itself is
    freed when this returns, so that its halves have the memory."""
    try:
        return evaluate.evaluate(_trained(plan, progress))
    except LsbenchError:
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) and len(plan.jobs) > 1:
            return []
        log.debug("stack failed", exc_info=True)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        log.warning("%s failed: %s", plan, reason)
        return [Outcome(FAILED, {}, error=reason)] * len(plan.jobs)


def _trained(plan: StackPlan, progress: SweepProgress) -> loop.Trained:
    """Train a stack from its last checkpoint to its end.

    Saves a checkpoint every ``checkpoint_minutes``, and before it raises a signal that is pending.
    """
    training = _resumed(plan)
    size = training.stack.size
    if steps := int(training.stack.optimizer.steps):
        progress.resume(plan.key, size * training.epoch)
        log.info("%s: resuming after %s", plan, count(steps, "step"))
    minutes = plan.jobs[0].run.checkpoint_minutes
    interval = 60 * minutes if minutes else math.inf
    saved_at = time.monotonic()
    for epoch_loss in training.run():
        if epoch_loss is not None:
            progress.advance(plan.key, size, epoch_loss)
        stop = signals.GATE.pending()
        if stop or time.monotonic() - saved_at > interval:
            checkpoints.save(plan.folder, training.state())
            saved_at = time.monotonic()
        if stop:
            raise stop
    return training.trained()


def _resumed(plan: StackPlan) -> loop.Training:
    """The training of a stack at its last checkpoint, or at its beginning if there is none that fits."""
    training = _fresh(plan)
    if state := checkpoints.load(plan.folder, plan.device):
        try:
            training.restore(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            log.warning("%s: its checkpoint does not fit (%s); starting again from step 0", plan, error)
            return _fresh(plan)
    return training


def _fresh(plan: StackPlan) -> loop.Training:
    members, splits = [job.run for job in plan.jobs], plan.jobs[0].splits
    graphs, strategy = plan.cuda_graphs, plan.strategy
    return loop.Training(stack.Stack(members, splits, plan.device, graphs=graphs, strategy=strategy))
