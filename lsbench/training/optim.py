"""SGD and AdamW on stacked parameters [M, ...], with a learning rate and a weight decay for each member.

Both follow torch.optim's arithmetic (tested against it in float64), but learning rate and weight decay are
tensors [M]. Weight decay applies to every parameter, as in torch.optim and in He et al. 2016.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lsbench.config import OptimConfig

Tensors = dict[str, Tensor]


def schedule(settings: OptimConfig, epochs: int, steps_per_epoch: int) -> list[float]:
    """The factor on the learning rate at each step: a linear warm-up from 1/W to 1 over W steps, then
    constant, or half a cosine that would reach 0 one step after the last (Loshchilov & Hutter 2017)."""
    total = epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total)
    rest = max(total - warmup, 1)
    ramp = [(step + 1) / warmup for step in range(warmup)]
    if settings.schedule == "constant":
        return ramp + [1.0] * (total - warmup)
    return ramp + [(1 + math.cos(math.pi * step / rest)) / 2 for step in range(total - warmup)]


class Optimizer:
    """The optimiser of stacked parameters, which `step` updates in place.

    ``lr`` and ``weight_decay`` are [M]. ``steps``, int64 [], counts on the device: after the first step no
    tensor moves to other memory and no Python number changes, so that a CUDA graph can replay a step
    (cuda_graphs.py).
    """

    def __init__(self, params: Mapping[str, Tensor], lr: Tensor, weight_decay: Tensor, settings: OptimConfig):
        self.params = params
        self.lr = lr.clone()
        self.weight_decay = weight_decay
        self.settings = settings
        self.steps = torch.zeros((), dtype=torch.int64, device=lr.device)
        self.slots: list[Tensors] = [{} for _ in range(2)]
        self._scratch: Tensor | None = None
        self._decays = bool((weight_decay > 0).any())
        self._laid_out = False

    def step(self, grads: Mapping[str, Tensor], factor: Tensor | float) -> None:
        """Update every parameter from its gradient; ``factor`` [] multiplies each member's learning rate."""
        with torch.no_grad():
            self.steps += 1
            if self.settings.name == "sgd":
                update: Callable[..., None] = self._sgd
            else:
                update = partial(self._adamw, corrections=self._corrections())
            if not self._laid_out:
                _match_layouts(self.params, grads)
                self._laid_out = True
            [dtype] = {param.dtype for param in self.params.values()}
            lr, decay = (self.lr * factor).to(dtype), self.weight_decay.to(dtype)
            for name, param in self.params.items():
                shape = (-1,) + (1,) * (param.ndim - 1)
                update(name, param, grads[name], lr.view(shape), decay.view(shape))

    def _sgd(self, name: str, param: Tensor, grad: Tensor, lr: Tensor, decay: Tensor) -> None:
        if self._decays:
            grad = torch.addcmul(grad, param, decay)
        momentum = self.settings.momentum
        if momentum:
            velocities = self.slots[0]
            if name not in velocities:
                velocities[name] = grad.clone()
            else:
                velocities[name].mul_(momentum).add_(grad)
            velocity = velocities[name]
            grad = self._sum(grad, velocity, momentum) if self.settings.nesterov else velocity
        param.addcmul_(grad, lr, value=-1)

    def _sum(self, grad: Tensor, velocity: Tensor, momentum: float) -> Tensor:
        """grad + momentum · velocity, in reused memory: on a CPU allocating it costs more than the sum."""
        if self._scratch is None or self._scratch.dtype != grad.dtype:
            numel = max(param.numel() for param in self.params.values())
            self._scratch = grad.new_empty(numel)
        out = self._scratch[: grad.numel()].as_strided(velocity.shape, velocity.stride())
        return torch.add(grad, velocity, alpha=momentum, out=out)

    def _corrections(self) -> tuple[Tensor, Tensor]:
        """Divisors that correct the bias of AdamW's two averages, which start at 0: float64 [] and []."""
        steps = self.steps.double()
        return 1 - self.settings.beta1**steps, (1 - self.settings.beta2**steps).sqrt()

    def _adamw(
        self,
        name: str,
        param: Tensor,
        grad: Tensor,
        lr: Tensor,
        decay: Tensor,
        *,
        corrections: tuple[Tensor, Tensor],
    ) -> None:
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        for slot in self.slots:
            if name not in slot:
                slot[name] = torch.zeros_like(param)
        first, second = (slot[name] for slot in self.slots)
        if self._decays:
            param.mul_(1 - lr * decay)
        first.lerp_(grad, 1 - beta1)
        second.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = (second.sqrt() / corrections[1]).add_(self.settings.eps)
        param.addcmul_(first / denominator, lr / corrections[0], value=-1)

    def state(self) -> dict[str, Any]:
        """Everything that `step` and `freeze` have changed except the parameters, sharing its tensors."""
        return {"steps": int(self.steps), "lr": self.lr, "slots": self.slots}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume from the ``state`` of an optimiser of the same parameters."""
        self.steps.fill_(state["steps"])
        self.lr = state["lr"]
        self.slots = state["slots"]
        self._laid_out = state["steps"] > 0

    def freeze(self, diverged: Tensor) -> None:
        """Stop the members in ``diverged`` (bool [M]) for good: their weights, state and learning rate become
        0, so that nothing in the stack stays non-finite."""
        self.lr.masked_fill_(diverged, 0)
        with torch.no_grad():
            for tensors in (self.params, *self.slots):
                for tensor in tensors.values():
                    tensor[diverged] = 0


def _match_layouts(params: Mapping[str, Tensor], grads: Mapping[str, Tensor]) -> None:
    """Give each parameter the memory layout of its gradient. A batched matrix product returns a weight's
    gradient transposed, and updates that mix the two layouts take four times as long (measured on a CPU)."""
    for name, param in params.items():
        if grads[name].stride() != param.stride():
            param.data = torch.empty_like(grads[name]).copy_(param)
