"""THE training loop and THE evaluation loop: M members as one program, M = 1 included.

Every tensor of a member's state has a leading axis M. Only the pass through the network knows members apart
(passes.py); member losses are summed, never averaged, so that members do not scale each other's gradients.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from lsbench import metrics, models, rng
from lsbench.config import Run
from lsbench.methods import Active, all_methods
from lsbench.terms import SPLIT_NAMES, Batch, Splits
from lsbench.training import precision
from lsbench.training.cuda_graphs import Graphs
from lsbench.training.device_data import DeviceDataset
from lsbench.training.forward import MemberForward
from lsbench.training.loss import losses_and_logit_grad
from lsbench.training.optim import Optimizer, schedule
from lsbench.training.teacher_logits import load_teacher_logits

# Rows of a member in one evaluation step on a CPU: few enough that a convolution's outputs stay in its cache
# (measured: ResNet-8 takes three times as long with 4096), enough for a stack of perceptrons.
EVALUATION_ROWS = 256
# On a GPU, rows of all members together: large enough to keep it busy, small in its memory.
EVALUATION_ROWS_GPU = 4096

Tensors = dict[str, Tensor]
State = dict[str, Any]


class Stack:
    """Members that share everything but seed and knobs, on one device.

    ``between_steps(stack)`` is called where nothing is half done: after each training step and each part of
    an evaluation. Whatever it raises ends the training; `state` and `restore` make that no loss. With
    ``graphs`` a GPU replays training steps instead of being told each of their operations anew. ``way`` is
    how several members go through their network.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        splits: Splits,
        device: torch.device,
        between_steps: "Callable[[Stack], None]" = lambda stack: None,
        *,
        graphs: bool = False,
        way: str = "vmap",
    ):
        self.shared, self.size, self.device = runs[0], len(runs), device
        self.between_steps = between_steps
        self.dtype = precision.DTYPES[self.shared.precision]
        seeds = [run.seed for run in runs]
        self.seeds = torch.tensor(seeds, device=device)
        self.data = DeviceDataset(splits, self.shared.data, seeds, device)
        self.model, self.params, self.buffers = self._initial(seeds)
        self.passes = MemberForward(self.model, self.size, device, way, bf16=self.shared.precision == "bf16")
        self.alpha = self._knob(runs, "alpha")
        alphas = {run.alpha for run in runs}
        self.common_alpha = alphas.pop() if len(alphas) == 1 else None
        self.active = {
            name: Active(method, strength, rng.key(self.seeds, name))
            for name, method in all_methods().items()
            if (strength := self._knob(runs, method.knob)).any()
        }
        for active in self.active.values():
            if set_layers := active.method.layers:  # room of the right type, which each step fills anew
                values = set_layers(self.model, active.strength, active.key)
                self.buffers.update({name: value.clone() for name, value in values.items()})
        self.train_labels = self._train_labels()
        taught = any(active.method.distill for active in self.active.values())
        self.teacher_logits = load_teacher_logits(runs, self.data, self.dtype) if taught else None
        self.steps = math.ceil(self.train_labels.shape[1] / self.shared.batch_size)
        lr, weight_decay = self._knob(runs, "lr"), self._knob(runs, "weight_decay")
        self.optimizer = Optimizer(self.params, lr, weight_decay, self.shared.optim)
        factors = schedule(self.shared.optim, self.shared.epochs, self.steps)
        self.factors = torch.tensor(factors, dtype=torch.float64, device=device)
        self.graphs = Graphs(device) if graphs else None
        self.diverged_step = torch.full((self.size,), -1, device=device)
        # Where the training stands: in which epoch, with the losses [M] of its steps so far, and the members
        # that were well when it began.
        self.epoch, self.losses, self.going = 0, list[Tensor](), list(range(self.size))
        self.history: list[list[dict[str, float]]] = [[] for _ in runs]
        self.seconds = 0.0

    def _knob(self, runs: Sequence[Run], name: str) -> Tensor:
        values = [run.knobs.get(name, 0.0) for run in runs]
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def _initial(self, seeds: Sequence[int]) -> tuple[nn.Module, Tensors, Tensors]:
        """One module to call, and every member's parameters and buffers stacked: {name: [M, ...]}.

        Weights are drawn on the CPU in float32 whatever device and precision follow, once for each seed.
        """
        shape = tuple(self.data.images.shape[1:])
        built = {}
        for seed in set(seeds):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(rng.key(torch.tensor(seed), "init")))
                built[seed] = models.build(self.shared.model, shape, self.data.classes)
        members = [built[seed].to(self.device, self.dtype) for seed in seeds]
        params, buffers = stack_module_state(members)
        return members[0], params, buffers

    def _train_labels(self) -> Tensor:
        """The labels that are trained on [M,n]: the data's own, after any method that changes labels."""
        labels = self.data.labels[self.data.rows["train"]]
        for active in self.active.values():
            if change := active.method.labels:
                members = zip(labels, active.strength.tolist(), active.key, strict=True)
                labels = torch.stack([change(row, s, self.data.classes, key) for row, s, key in members])
        return labels

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [M,B,C,H,W] to logits [M,B,K]."""
        return self.passes(self.params, self.buffers, images).to(self.dtype)

    def train_epoch(self) -> Tensor:
        """What is left of the pass over each member's train split in its own order; the mean loss of each
        member over the whole pass [M].

        The last batch takes what is left and its loss is the mean over those rows.
        """
        self.model.train()
        epoch = self.epoch
        epoch_key = rng.fold(rng.key(self.seeds, "order"), epoch)
        order = rng.permutation(epoch_key, self.train_labels.shape[1])
        rows, labels = self.data.rows["train"].gather(1, order), self.train_labels.gather(1, order)
        steps = torch.arange(self.steps, device=self.device)
        keys = [rng.fold(rng.fold(a.key, epoch)[:, None], steps) for a in self.active.values()]
        size = self.shared.batch_size
        batches = zip(torch.split(rows, size, dim=1), torch.split(labels, size, dim=1), strict=True)
        take = self._train_step if self.graphs is None else partial(self.graphs, self._train_step)
        for step, batch in enumerate(batches):
            if step < len(self.losses):
                continue  # done before the stack was restored
            factor = self.factors[epoch * self.steps + step]
            self.losses.append(take(*batch, factor, *(key[:, step] for key in keys)))
            self.between_steps(self)
        loss = torch.stack(self.losses, dim=1)
        # Looked at once an epoch, so that a GPU need not wait for the answer at each step: until then a
        # member's NaN stays in its own rows.
        bad = ~loss.isfinite()
        self._freeze(bad.any(1), epoch * self.steps + bad.int().argmax(1))
        weights = torch.tensor([part.shape[1] for part in torch.split(rows, size, dim=1)], device=self.device)
        return (loss * weights).sum(1) / weights.sum()

    def _train_step(self, rows: Tensor, labels: Tensor, factor: Tensor, *keys: Tensor) -> Tensor:
        """Forward, backward and update for one batch, the ``rows`` [M,B] with ``labels`` [M,B], at ``factor``
        [] times the learning rate and with a key [M] for each active method; each member's loss [M].

        What changes from step to step is in these tensors or in memory that the step itself changes in place,
        and nothing makes the host wait or copies from it: so that a GPU can replay the step (graphs.py).
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
        logits = self.forward(self.data.normalise(batch.images, self.dtype))
        losses, grads = self.losses_and_gradients(logits, batch)
        self.optimizer.step(dict(zip(self.params, grads, strict=True)), factor)
        return losses.mean(1)

    def losses_and_gradients(self, logits: Tensor, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The loss [M,B] of each row of ``batch``, whose ``logits`` are [M,B,K], and what a step follows: the
        gradients of the members' mean losses in the parameters."""
        settings = self.alpha, self.shared.convention, self.active.values()
        losses, logit_grad = losses_and_logit_grad(logits, batch, *settings, common=self.common_alpha)
        return losses, torch.autograd.grad(logits, list(self.params.values()), logit_grad)

    def _freeze(self, bad: Tensor, step: Tensor | int) -> None:
        """Stop the members in ``bad`` [M] for good and remember the ``step`` at which each went wrong."""
        newly = bad & (self.diverged_step < 0)
        if newly.any():
            self.diverged_step = torch.where(newly, step, self.diverged_step)
            self.optimizer.freeze(newly)

    @torch.no_grad()
    def evaluate(self, split: str) -> Tensor:
        """Logits of each member on its rows of ``split``, in eval mode: [M,N,K] in float64.

        A member that does not give finite numbers has diverged; its logits are 0.
        """
        self.model.eval()
        on_cpu = self.device.type == "cpu"
        chunk = EVALUATION_ROWS if on_cpu else max(EVALUATION_ROWS_GPU // self.size, 1)
        parts = torch.split(self.data.rows[split], chunk, dim=1)
        logits = []
        for rows in parts:
            logits.append(self.forward(self.data.normalise(self.data.images_at(rows), self.dtype)))
            self.between_steps(self)
        joined = torch.cat(logits, dim=1).double()
        bad = ~joined.isfinite().all(2).all(1)
        self._freeze(bad, self.optimizer.steps)
        return torch.where(bad[:, None, None], 0.0, joined)

    def labels(self, split: str) -> Tensor:
        """The labels of each member's rows of ``split`` [M,N]: for train, those that are trained on."""
        return self.train_labels if split == "train" else self.data.labels[self.data.rows[split]]

    def weights(self, member: int) -> dict[str, Tensor]:
        """A state dict on the CPU that the plain model loads."""
        stacked = self.params | self.buffers
        kept = {name: stacked[name][member].detach() for name in self.model.state_dict()}
        return {name: t.cpu().clone(memory_format=torch.contiguous_format) for name, t in kept.items()}

    def state(self) -> State:
        """All that training has changed so far, sharing its tensors; plain enough for a weights-only load."""
        return {
            "position": (self.epoch, self.losses, self.going, self.history, self.seconds),
            "diverged_step": self.diverged_step,
            "params": {name: tensor.detach() for name, tensor in self.params.items()},
            "buffers": self.buffers,
            "optimizer": self.optimizer.state(),
        }

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Go on where the ``state`` of a stack of the same runs was taken."""
        self.epoch, self.losses, self.going, self.history, self.seconds = state["position"]
        self.diverged_step = state["diverged_step"]
        for name, tensor in self.params.items():
            tensor.data = state["params"][name]  # in the layout that training chose
        self.buffers.update(state["buffers"])
        self.optimizer.restore(state["optimizer"])
        if self.graphs is not None:
            self.graphs = Graphs(self.device)  # what was recorded belongs to the memory of before


@dataclass(frozen=True)
class Trained:
    """A stack after its last epoch, by split and by member; nothing in it has been judged yet.

    ``logits`` float64 [M,N,K] and ``labels`` int64 [M,N] for each split; the train labels are those that were
    trained on. ``diverged_step`` is -1 for a member that did not diverge. ``seconds`` is the whole stack's.
    """

    logits: dict[str, Tensor]
    labels: dict[str, Tensor]
    history: list[list[dict[str, float]]]
    weights: list[dict[str, Tensor]]
    diverged_step: list[int]
    seconds: float


def train(stack: Stack, progress: Callable[[float], None]) -> Trained:
    """Train ``stack`` from where it stands to its last epoch. ``progress(mean loss)`` is called after each.

    The test split is opened once, after the last epoch.
    """
    while stack.epoch < stack.shared.epochs and stack.going:
        progress(_epoch(stack))
    return Trained(
        logits={split: stack.evaluate(split) for split in SPLIT_NAMES},
        labels={split: stack.labels(split) for split in SPLIT_NAMES},
        history=stack.history,
        weights=[stack.weights(member) for member in range(stack.size)],
        diverged_step=stack.diverged_step.tolist(),
        seconds=stack.seconds,
    )


def _epoch(stack: Stack) -> float:
    """Train and look at select once, and enter both in the history; the mean loss of those that are well."""
    started = time.perf_counter()
    losses: list[float] = stack.train_epoch().tolist()
    seconds = time.perf_counter() - started
    selected = metrics.measure(stack.evaluate("select"), stack.labels("select"))
    for member in stack.going:
        chosen = {f"select_{name}": values[member].item() for name, values in selected.items()}
        stack.history[member].append({"epoch": stack.epoch + 1, "train_loss": losses[member], **chosen})
    stack.epoch, stack.losses, stack.seconds = stack.epoch + 1, [], stack.seconds + seconds
    stack.going = [member for member, step in enumerate(stack.diverged_step.tolist()) if step < 0]
    finite = [loss for loss in losses if math.isfinite(loss)]
    return sum(finite) / max(len(finite), 1)
