"""Area under the risk–coverage curve (Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206); 0 is best."""

import torch
from torch import Tensor


def compute(probs: Tensor, labels: Tensor) -> Tensor:
    """[M] from probs float64 [M,N,K] and labels int64 [M,N] or [N].

    The risk at coverage i/N is the error rate of the i most confident rows; the area is its mean over i.
    """
    confidence, predicted = probs.max(-1)
    wrong = (predicted != labels).double()
    ranked = wrong.gather(-1, confidence.argsort(dim=-1, descending=True, stable=True))
    covered = torch.arange(1, ranked.shape[-1] + 1, device=ranked.device)
    return (ranked.cumsum(-1) / covered).mean(-1)
