"""A stack: M members, from a single run upwards, that train as one program.

Every tensor of the members' state has a leading axis M. Member losses are summed, never averaged, so that
members do not scale each other's gradients.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from lsbench import models, rng
from lsbench.config import Run
from lsbench.methods import Active, all_methods
from lsbench.terms import Batch, Splits
from lsbench.training.cuda_graphs import Graphs
from lsbench.training.device_data import EVALUATION_ROWS, DeviceDataset
from lsbench.training.forward import DTYPES, MemberForward
from lsbench.training.loss import Loss, SmoothedLoss
from lsbench.training.optim import Optimizer, schedule
from lsbench.training.teacher_logits import load_teacher_logits

# Rows of all members together in one evaluation step on a GPU: enough to keep it busy, in little memory.
EVALUATION_ROWS_GPU = 4096

Tensors = dict[str, Tensor]
State = dict[str, Any]


class Stack:
    """``size`` members on one ``device``, which differ in seed, knobs and teacher only.

    ``shared``          the first run, for the settings that all members share
    ``data``            images, labels and each member's splits; ``train_labels`` [M,n] may have label noise
    ``model``           the plain module; ``params`` and ``buffers`` hold its tensors for all members, stacked
                        as {name: [M, ...]}, and ``forward_pass`` computes their logits
    ``active``          the methods that are on for some member, by name
    ``teacher_logits``  None unless a method learns from a teacher
    ``lr_factors``      the learning rate schedule, float64 [epochs * steps_per_epoch]
    ``diverged_step``   int64 [M], -1 for a member that has not diverged

    With ``graphs`` a GPU replays training steps as CUDA graphs. ``strategy`` is that of the forward pass
    (forward.py). ``loss`` replaces the smoothed loss and all methods' loss hooks.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        splits: Splits,
        device: torch.device,
        *,
        graphs: bool = False,
        strategy: str = "vmap",
        loss: Loss | None = None,
    ):
        self.shared = runs[0]
        self.size = len(runs)
        self.device = device
        seeds = [run.seed for run in runs]
        self.seeds = torch.tensor(seeds, device=device)
        self.data = DeviceDataset(splits, self.shared.data, seeds, device)
        self.model, self.params, self.buffers = self._initial(seeds)
        self.forward_pass = MemberForward(self.model, self.size, device, strategy, self.shared.precision)
        self.active = {
            name: Active(method, strength, rng.key(self.seeds, name))
            for name, method in all_methods().items()
            if (strength := self._knob(runs, method.knob)).any()
        }
        for active in self.active.values():
            if set_layers := active.method.layers:  # buffers of the right type, which each step overwrites
                values = set_layers(self.model, active.strength, active.key)
                self.buffers.update({name: value.clone() for name, value in values.items()})
        self.train_labels = self._train_labels()
        distils = any(active.method.distill for active in self.active.values())
        self.teacher_logits = (
            load_teacher_logits(runs, self.data, self.forward_pass.dtype) if distils else None
        )
        self.loss = loss or SmoothedLoss(
            self._knob(runs, "alpha"),
            self.shared.convention,
            self.active.values(),
            common_alpha=self.shared.alpha if len({run.alpha for run in runs}) == 1 else None,
        )
        self.steps_per_epoch = math.ceil(self.train_labels.shape[1] / self.shared.batch_size)
        lr, weight_decay = self._knob(runs, "lr"), self._knob(runs, "weight_decay")
        self.optimizer = Optimizer(self.params, lr, weight_decay, self.shared.optim)
        factors = schedule(self.shared.optim, self.shared.epochs, self.steps_per_epoch)
        self.lr_factors = torch.tensor(factors, dtype=torch.float64, device=device)
        self.graphs = Graphs(device) if graphs else None
        self.diverged_step = torch.full((self.size,), -1, device=device)

    def _knob(self, runs: Sequence[Run], name: str) -> Tensor:
        values = [run.knobs.get(name, 0.0) for run in runs]
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def _initial(self, seeds: Sequence[int]) -> tuple[nn.Module, Tensors, Tensors]:
        """The plain module, and every member's parameters and buffers stacked: {name: [M, ...]}.

        Weights are drawn on the CPU in float32, once for each seed, so that they do not depend on device and
        precision.
        """
        shape = tuple(self.data.images.shape[1:])
        built = {}
        for seed in set(seeds):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(rng.key(torch.tensor(seed), "init")))
                built[seed] = models.build(self.shared.model, shape, self.data.classes)
        dtype = DTYPES[self.shared.precision]
        members = [built[seed].to(self.device, dtype) for seed in seeds]
        params, buffers = stack_module_state(members)
        return members[0], params, buffers

    def _train_labels(self) -> Tensor:
        """The labels to train on [M,n]: the data's own, after any method that changes labels."""
        labels = self.data.labels[self.data.rows["train"]]
        for active in self.active.values():
            if change := active.method.labels:
                members = zip(labels, active.strength.tolist(), active.key, strict=True)
                labels = torch.stack(
                    [change(row, strength, self.data.classes, key) for row, strength, key in members]
                )
        return labels

    def forward(self, images: Tensor) -> Tensor:
        """Raw images [M,B,C,H,W] to logits [M,B,K]."""
        normalised = self.data.normalise(images, self.forward_pass.dtype)
        return self.forward_pass(self.params, self.buffers, normalised)

    def steps(self, epoch: int, first: int = 0) -> Iterator[Tensor]:
        """Train for an epoch from step ``first`` on; yield each step's mean loss of each member [M].

        Each member goes through its train split in its own order; the last batch takes the remaining rows.
        Losses stay on the device, so a GPU need not finish a step before the next is launched. Until the
        caller looks at the losses and calls `freeze`, a member's NaN stays in its own rows.
        """
        self.model.train()
        epoch_key = rng.fold(rng.key(self.seeds, "order"), epoch)
        order = rng.permutation(epoch_key, self.train_labels.shape[1])
        rows, labels = self.data.rows["train"].gather(1, order), self.train_labels.gather(1, order)
        steps = torch.arange(self.steps_per_epoch, device=self.device)
        keys = [rng.fold(rng.fold(active.key, epoch)[:, None], steps) for active in self.active.values()]
        size = self.shared.batch_size
        batches = zip(torch.split(rows, size, dim=1), torch.split(labels, size, dim=1), strict=True)
        take_step = self.train_step if self.graphs is None else partial(self.graphs, self.train_step)
        for step, batch in islice(enumerate(batches), first, None):
            factor = self.lr_factors[epoch * self.steps_per_epoch + step]
            yield take_step(*batch, factor, *(key[:, step] for key in keys))

    def train_step(self, rows: Tensor, labels: Tensor, factor: Tensor, *keys: Tensor) -> Tensor:
        """Forward, backward and update for one batch; return each member's mean loss [M].

        The batch are ``rows`` [M,B] with ``labels`` [M,B]; ``factor`` [] multiplies the learning rate, and
        ``keys`` has a key [M] for each active method.

        Everything that changes from step to step is in these tensors or in memory that the step updates in
        place, and nothing synchronises with the host or copies from it, so that a CUDA graph can replay the
        step (cuda_graphs.py).
        """
        data = self.shared.data
        teacher = self.teacher_logits(rows) if self.teacher_logits else None
        batch = Batch(self.data.images_at(rows), labels, teacher=teacher)
        for active, key in zip(self.active.values(), keys, strict=True):
            if change := active.method.batch:
                batch = change(batch, active.strength, key, data.shift, data.flip)
            if set_layers := active.method.layers:
                for name, value in set_layers(self.model, active.strength, key).items():
                    self.buffers[name].copy_(value)
        losses, grads = self.loss(self.forward(batch.images), batch, list(self.params.values()))
        self.optimizer.step(dict(zip(self.params, grads, strict=True)), factor)
        return losses.mean(1)

    def freeze(self, diverged: Tensor, step: Tensor | int) -> None:
        """Stop the members in ``diverged`` (bool [M]) for good, and record the ``step`` at which each
        diverged."""
        newly = diverged & (self.diverged_step < 0)
        if newly.any():
            self.diverged_step = torch.where(newly, step, self.diverged_step)
            self.optimizer.freeze(newly)

    def logits(self, split: str) -> Iterator[Tensor]:
        """Evaluate every member on its rows of ``split``; yield logits [M,B,K] of successive chunks of
        rows."""
        self.model.eval()
        on_cpu = self.device.type == "cpu"
        chunk = EVALUATION_ROWS if on_cpu else max(EVALUATION_ROWS_GPU // self.size, 1)
        for rows in torch.split(self.data.rows[split], chunk, dim=1):
            with torch.no_grad():
                logits = self.forward(self.data.images_at(rows))
            yield logits

    def labels(self, split: str) -> Tensor:
        """The labels of each member's rows of ``split`` [M,N]; for train, those that are trained on."""
        return self.train_labels if split == "train" else self.data.labels[self.data.rows[split]]

    def weights(self, member: int) -> dict[str, Tensor]:
        """A state dict on the CPU that the plain model loads."""
        stacked = self.params | self.buffers
        weights = {name: stacked[name][member].detach() for name in self.model.state_dict()}
        return {name: t.cpu().clone(memory_format=torch.contiguous_format) for name, t in weights.items()}

    def state(self) -> State:
        """Everything that training has changed so far, sharing its tensors; plain enough for a weights-only
        load."""
        return {
            "diverged_step": self.diverged_step,
            "params": {name: tensor.detach() for name, tensor in self.params.items()},
            "buffers": self.buffers,
            "optimizer": self.optimizer.state(),
        }

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Resume from the `state` of a stack of the same runs."""
        self.diverged_step = state["diverged_step"]
        for name, tensor in self.params.items():
            tensor.data = state["params"][name]  # with the memory layout of its gradient, see optim.py
        self.buffers.update(state["buffers"])
        self.optimizer.restore(state["optimizer"])
        if self.graphs is not None:
            self.graphs = Graphs(self.device)  # recorded graphs refer to the old tensors
