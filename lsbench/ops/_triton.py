"""The smoothed loss on a GPU as Triton kernels, each one launch.

Up to `TILE` classes a program holds several rows whole: one pass gives the loss and, if wanted, its gradient.
With more classes a program goes along one row: once for the loss, keeping maximum and sum of exponentials as it
goes (Milakov & Gimelshein 2018, arXiv:1805.02867), and once more for the gradient, when the row still lies in the
second-level cache. All is taken relative to the logit of the label and added up in float32 (float64 for float64).

Alpha is read from memory, or is a number that no kernel is compiled for, so that one kernel serves every alpha
and a CUDA graph can replay it. A label outside [0,K) that is not ``ignore_index`` makes the row's loss and gradient
NaN, and no address is made from it.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lsbench.ops._plain import Rows

TILE = 1024  # classes that a program holds at once, and half the numbers of its tile
BLOCK = 4096  # numbers of a long row at a time


@triton.jit
def _row_terms(
    row, inside, target, on, spread, weight, classes, ignore_index, WEIGHTED: tl.constexpr, T: tl.constexpr
):
    """Label, own = on·w_y, spread and whether the label is wrong, of each row in ``row``."""
    label = tl.load(target + row, inside, 0)
    ignored = label == ignore_index
    wrong = ((label < 0) | (label >= classes)) & (~ignored)
    label = tl.where(ignored | wrong, 0, label)
    own = tl.load(on + row, inside, 0.0).to(T)
    rest = tl.load(spread + row, inside, 0.0).to(T)
    if WEIGHTED:
        own *= tl.load(weight + label, inside, 0.0).to(T)
    own = tl.where(ignored, 0.0, own)
    rest = tl.where(ignored, 0.0, rest)
    return label, own, rest, wrong
