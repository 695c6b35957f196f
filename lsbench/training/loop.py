"""The training loop: epochs of a stack, an evaluation after each, and a final one on every split."""

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lsbench import metrics
from lsbench.terms import SPLIT_NAMES
from lsbench.training.stack import Stack


@dataclass(frozen=True)
class Trained:
    """A stack after its last epoch, by split and by member, before any metric is computed.

    ``logits`` float64 [M,N,K] and ``labels`` int64 [M,N] for each split; the train labels are those that were
    trained on. ``test_rows`` int64 [M,N] index the data set, its train images followed by its test images.
    ``diverged_step`` is -1 for a member that did not diverge. ``seconds`` is the whole stack's.
    """

    logits: dict[str, Tensor]
    labels: dict[str, Tensor]
    test_rows: Tensor
    history: list[list[dict[str, float]]]
    weights: list[dict[str, Tensor]]
    diverged_step: list[int]
    seconds: float


class Training:
    """The training of a stack: its position, and each member's history.

    ``epoch`` counts completed epochs, ``losses`` are the losses [M] of each step of the current one, and
    ``active_members`` are those that had not diverged when it began. ``seconds`` is the time of all training
    steps. `state` and `restore` resume a training exactly wherever `run` yields.
    """

    def __init__(self, stack: Stack):
        self.stack = stack
        self.epoch = 0
        self.losses: list[Tensor] = []
        self.active_members = list(range(stack.size))
        self.history: list[list[dict[str, float]]] = [[] for _ in self.active_members]
        self.seconds = 0.0
        self._logits: dict[str, Tensor] = {}

    def run(self) -> Iterator[float | None]:
        """Train from the current position to the last epoch, then evaluate on every split.

        Yields after each training step, each chunk of an evaluation and each epoch, when nothing is half
        done: after an epoch the mean loss of the members that are finite, otherwise None. The caller may save
        a checkpoint there, or stop. The test split is used once, after the last epoch.
        """
        while self.epoch < self.stack.shared.epochs and self.active_members:
            yield from self._train_epoch()
        for split in SPLIT_NAMES:
            self._logits[split] = yield from self._evaluate(split)

    def trained(self) -> Trained:
        """The trained stack; `run` must have ended."""
        stack = self.stack
        return Trained(
            logits=self._logits,
            labels={split: stack.labels(split) for split in SPLIT_NAMES},
            test_rows=stack.data.rows["test"],
            history=self.history,
            weights=[stack.weights(member) for member in range(stack.size)],
            diverged_step=stack.diverged_step.tolist(),
            seconds=self.seconds,
        )

    def _train_epoch(self) -> Iterator[float | None]:
        """Train for the rest of the current epoch, evaluate on select, and add both to the history."""
        started = time.perf_counter()
        for step_losses in self.stack.steps(self.epoch, first=len(self.losses)):
            self.losses.append(step_losses)
            yield None
        losses: list[float] = self._epoch_loss().tolist()
        seconds = time.perf_counter() - started
        logits = yield from self._evaluate("select")
        selected = metrics.measure(logits, self.stack.labels("select"))
        for member in self.active_members:
            values = {f"select_{name}": values[member].item() for name, values in selected.items()}
            row = {"epoch": self.epoch + 1, "train_loss": losses[member], **values}
            self.history[member].append(row)
        self.epoch += 1
        self.losses = []
        self.seconds += seconds
        self.active_members = [
            member for member, step in enumerate(self.stack.diverged_step.tolist()) if step < 0
        ]
        finite = [loss for loss in losses if math.isfinite(loss)]
        yield sum(finite) / max(len(finite), 1)

    def _epoch_loss(self) -> Tensor:
        """The mean loss of each member over the epoch [M], once its last step is done; members with a loss
        that is not finite are frozen.

        Divergence is checked once an epoch, so that a GPU does not have to synchronise at each step.
        """
        stack = self.stack
        loss = torch.stack(self.losses, dim=1)
        bad = ~loss.isfinite()
        stack.freeze(bad.any(1), self.epoch * stack.steps_per_epoch + bad.int().argmax(1))
        rows, size = stack.train_labels.shape[1], stack.shared.batch_size
        batch_sizes = [min(size, rows - start) for start in range(0, rows, size)]
        weights = torch.tensor(batch_sizes, device=stack.device)
        return (loss * weights).sum(1) / weights.sum()

    def _evaluate(self, split: str) -> Generator[None, None, Tensor]:
        """Logits of each member on its rows of ``split`` [M,N,K] in float64. A member whose logits are not
        finite has diverged; its logits are 0."""
        chunks = []
        for logits in self.stack.logits(split):
            chunks.append(logits)
            yield
        joined = torch.cat(chunks, dim=1).double()
        bad = ~joined.isfinite().all(2).all(1)
        self.stack.freeze(bad, self.stack.optimizer.steps)
        return torch.where(bad[:, None, None], 0.0, joined)

    def state(self) -> dict[str, Any]:
        """Everything that training has changed so far, sharing its tensors; plain enough for a weights-only
        load."""
        position = (self.epoch, self.losses, self.active_members, self.history, self.seconds)
        return {"position": position, **self.stack.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the `state` of a training of the same runs."""
        self.epoch, self.losses, self.active_members, self.history, self.seconds = state["position"]
        self.stack.restore(state)


def train(stack: Stack) -> Trained:
    """Train a new stack to its last epoch without checkpoints."""
    training = Training(stack)
    for _ in training.run():
        pass
    return training.trained()
