"""Training loss: smoothed cross entropy with the loss hooks of the active methods applied."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lsbench.methods import Active
from lsbench.ops.smoothed_ce import loss_and_gradient, smoothed_cross_entropy, target_terms
from lsbench.terms import Batch, Target

# (logits [M,B,K], batch, parameters) -> the loss of each row [M,B], and for each parameter the gradient of
# the sum of the members' mean losses.
Loss = Callable[[Tensor, Batch, Sequence[Tensor]], tuple[Tensor, tuple[Tensor, ...]]]


@dataclass(frozen=True)
class SmoothedLoss:
    """The `Loss` of a stack: each member's ``alpha`` [M], the ``convention`` of smoothing, and the ``active``
    methods. ``common_alpha`` is the alpha of all members if they have the same; a number needs fewer
    operations."""

    alpha: Tensor
    convention: str
    active: Collection[Active]
    common_alpha: float | None = None

    def __call__(
        self, logits: Tensor, batch: Batch, params: Sequence[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        settings = self.alpha, self.convention, self.active
        losses, logit_grad = losses_and_logit_grad(logits, batch, *settings, common_alpha=self.common_alpha)
        return losses, torch.autograd.grad(logits, params, logit_grad)


def losses_and_logit_grad(
    logits: Tensor,
    batch: Batch,
    alpha: Tensor,
    convention: str,
    active: Collection[Active],
    *,
    common_alpha: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of each row [M,B], as in `training_losses`, and the gradient [M,B,K] of the sum of the
    members' mean losses in the ``logits``. If no method changes the loss, one call of lsbench.ops computes
    both."""
    changed_by_method = any(item.method.loss or item.method.penalty for item in active)
    if batch.others or batch.teacher or changed_by_method:
        logits = logits.detach().requires_grad_()
        losses = training_losses(logits, batch, alpha, convention, active)
        [logit_grad] = torch.autograd.grad(losses.mean(1).sum(), [logits])
        return losses.detach(), logit_grad
    labels = batch.labels
    if common_alpha is None:
        row_alpha: Tensor | float = alpha.to(logits.dtype)[:, None].expand_as(labels).flatten()
    else:
        row_alpha = common_alpha
    losses, logit_grad = loss_and_gradient(
        logits.flatten(0, 1), labels.flatten(), row_alpha, convention=convention, scale=1 / labels.shape[1]
    )
    return losses.view_as(labels), logit_grad.view_as(logits)


def training_losses(
    logits: Tensor, batch: Batch, alpha: Tensor, convention: str, active: Collection[Active]
) -> Tensor:
    """The loss of each row [M,B] for ``logits`` [M,B,K] and each member's ``alpha`` [M].

    A mixed row has several labels. The loss against each is computed, and changed by ``loss`` hooks, as if it
    were the only one, and weighted by its share. ``distill`` and ``penalty`` hooks do not depend on labels
    and are applied once.
    """
    alpha = alpha.to(logits.dtype)
    losses = label_losses = _label_losses(batch.labels, logits, alpha, convention, active)
    for labels, share in batch.others:
        difference = _label_losses(labels, logits, alpha, convention, active) - label_losses
        losses = losses + share.to(losses.dtype) * difference
    for item in active:
        if (distill := item.method.distill) and batch.teacher:
            losses = distill(losses, logits, batch.teacher, item.strength)
    for item in active:
        if penalty := item.method.penalty:
            losses = losses + penalty(logits, item.strength)
    return losses


def _label_losses(
    labels: Tensor, logits: Tensor, alpha: Tensor, convention: str, active: Collection[Active]
) -> Tensor:
    """The losses [M,B] against one label for each row, ``labels`` [M,B]."""
    losses = smoothed_cross_entropy(
        logits.flatten(0, 1),
        labels.flatten(),
        alpha[:, None].expand_as(labels).flatten(),
        convention=convention,
        reduction="none",
    ).view_as(labels)
    target = Target(labels, *target_terms(alpha[:, None], logits.shape[-1], convention))
    for item in active:
        if change := item.method.loss:
            losses = change(losses, logits, target, item.strength)
    return losses
