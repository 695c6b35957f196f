"""What a training step makes small: the smoothed loss, and what the methods make of it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lsbench.methods import Active
from lsbench.ops.smoothed_ce import loss_and_gradient, smoothed_cross_entropy, target_terms
from lsbench.terms import Batch, Target

# (logits [M,B,K], batch, parameters) -> the loss of each row [M,B], and the gradient of the sum of the
# members' mean losses in each parameter.
Loss = Callable[[Tensor, Batch, Sequence[Tensor]], tuple[Tensor, tuple[Tensor, ...]]]


@dataclass(frozen=True)
class SmoothedLoss:
    """The `Loss` of a stack: smoothed cross entropy with each member's ``alpha`` [M], and the loss hooks of
    the ``active`` methods. ``common_alpha`` is the members' alpha if all have the same: it saves
    operations."""

    alpha: Tensor
    convention: str
    active: Collection[Active]
    common_alpha: float | None = None

    def __call__(
        self, logits: Tensor, batch: Batch, params: Sequence[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        settings = self.alpha, self.convention, self.active
        losses, logit_grad = losses_and_logit_grad(logits, batch, *settings, common=self.common_alpha)
        return losses, torch.autograd.grad(logits, params, logit_grad)


def losses_and_logit_grad(
    logits: Tensor,
    batch: Batch,
    alpha: Tensor,
    convention: str,
    active: Collection[Active],
    *,
    common: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Every row's loss [M,B], as `training_losses` has it, and the gradient [M,B,K] in the ``logits`` of the
    members' mean losses; in one call where smoothing is all that is at work, and with the fewest
    operations where all members have one alpha in ``common``."""
    changes = batch.others or batch.teacher or any(each.method.loss or each.method.penalty for each in active)
    if changes:
        logits = logits.detach().requires_grad_()
        losses = training_losses(logits, batch, alpha, convention, active)
        [logit_grad] = torch.autograd.grad(losses.mean(1).sum(), [logits])
        return losses.detach(), logit_grad
    labels = batch.labels
    each = alpha.to(logits.dtype)[:, None].expand_as(labels).flatten() if common is None else common
    losses, logit_grad = loss_and_gradient(
        logits.flatten(0, 1),
        labels.flatten(),
        each,
        convention=convention,
        scale=1 / labels.shape[1],
    )
    return losses.view_as(labels), logit_grad.view_as(logits)


def training_losses(
    logits: Tensor, batch: Batch, alpha: Tensor, convention: str, active: Collection[Active]
) -> Tensor:
    """Every row's loss [M,B] for ``logits`` [M,B,K], with each member's own ``alpha`` [M].

    Rows that were mixed have several labels. Each has its share of the loss, smoothed and changed by methods
    as if it were the only one; teachers and penalties, which know no label, come once.
    """
    alpha = alpha.to(logits.dtype)
    alone = losses = _against(batch.labels, logits, alpha, convention, active)
    for labels, share in batch.others:
        rest = _against(labels, logits, alpha, convention, active) - alone
        losses = losses + share.to(losses.dtype) * rest
    for each in active:
        if (teach := each.method.distill) and batch.teacher:
            losses = teach(losses, logits, batch.teacher, each.strength)
    for each in active:
        if penalty := each.method.penalty:
            losses = losses + penalty(logits, each.strength)
    return losses


def _against(
    labels: Tensor, logits: Tensor, alpha: Tensor, convention: str, active: Collection[Active]
) -> Tensor:
    """The losses [M,B] of rows that have these ``labels`` [M,B] alone."""
    losses = smoothed_cross_entropy(
        logits.flatten(0, 1),
        labels.flatten(),
        alpha[:, None].expand_as(labels).flatten(),
        convention=convention,
        reduction="none",
    ).view_as(labels)
    target = Target(labels, *target_terms(alpha[:, None], logits.shape[-1], convention))
    for each in active:
        if change := each.method.loss:
            losses = change(losses, logits, target, each.strength)
    return losses
