"""The glossary as code: the words that several files share, one meaning each.

Letters for shapes: M members of a stack, B rows of a batch, N rows of a split, K classes,
C, H, W channels, height and width of an image.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lsbench.errors import DataError, LsbenchError, StorageError, UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

# The errors belong to lsbench.errors; extensions import them from here, with the records that they use.
__all__ = [
    "COLUMNS",
    "CONVENTIONS",
    "DIVERGED",
    "DONE",
    "FAILED",
    "SPLIT_NAMES",
    "Batch",
    "DataError",
    "LsbenchError",
    "Method",
    "Outcome",
    "Splits",
    "StorageError",
    "Target",
    "TeacherBatch",
    "UsageError",
    "did_you_mean",
]

# The columns of runs.csv and the keys of result.json, in the order in which users read them.
COLUMNS = (
    "run status data model method convention alpha dropout augment weight_decay label_noise lr epochs "
    "batch_size seed n_train n_test train_accuracy test_accuracy test_nll test_brier test_ece test_ece_mass "
    "test_ece_classwise test_mce test_confidence_gap temperature test_nll_ts test_brier_ts test_ece_ts "
    "select_accuracy select_nll train_seconds device precision stack_size data_sha256 lsbench git_sha torch "
    "finished error"
).split()

# The status of a run: it finished, its loss became infinite or NaN, or an error ended it.
DONE, DIVERGED, FAILED = "done", "diverged", "failed"

# What "label smoothing" can mean; lsbench/ops/smoothed_ce.py defines each.
CONVENTIONS = ("uniform", "others", "as_printed")

SPLIT_NAMES = ("train", "select", "calibrate", "test")


@dataclass(frozen=True)
class Splits:
    """A data set as its source delivers it; the seed decides later which row falls into which split.

    ``train_images`` uint8 [N,C,H,W] and ``train_labels`` int64 [N] are divided into train, select and
    calibrate, and into test too where the source has no test set of its own (``test_images`` None).
    """

    train_images: "np.ndarray[Any, np.dtype[np.uint8]]"
    train_labels: "np.ndarray[Any, np.dtype[np.int64]]"
    test_images: "np.ndarray[Any, np.dtype[np.uint8]] | None"
    test_labels: "np.ndarray[Any, np.dtype[np.int64]] | None"
    classes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over class names, shapes, pixels and labels: the data's content, wherever it came from."""
        digest = hashlib.sha256("\n".join(self.classes).encode(errors="surrogateescape"))
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.data)
        return digest.hexdigest()


@dataclass(frozen=True)
class TeacherBatch:
    """What each member's teacher makes of a batch's rows: ``logits`` [M,B,K], of the stored images as they
    are, to be softened by ``temperature`` [M]. A member without a teacher has zeros."""

    logits: "Tensor"
    temperature: "Tensor"


@dataclass(frozen=True)
class Batch:
    """One training step's rows for every member.

    ``images`` [M,B,C,H,W] in raw pixel values 0..255 (uint8, or float once a method has mixed them),
    ``labels`` int64 [M,B]. ``others`` are labels [M,B] of what was mixed into the images, each with the share
    of a row's loss that is theirs, [M,1] or [M,B]; what they leave is the loss against ``labels``. There is a
    ``teacher`` where some member has a teacher.
    """

    images: "Tensor"
    labels: "Tensor"
    others: "tuple[tuple[Tensor, Tensor], ...]" = ()
    teacher: TeacherBatch | None = None


@dataclass(frozen=True)
class Target:
    """The smoothed target q = peak·onehot(label) + off_value of each row, as ops/smoothed_ce.py defines it:
    ``labels`` int64 [M,B], ``peak`` and ``off_value`` [M,1]."""

    labels: "Tensor"
    peak: "Tensor"
    off_value: "Tensor"

    def mean(self, values: "Tensor") -> "Tensor":
        """Σ_k q_k·values_k [M,B] for ``values`` [M,B,K]. For −log p it is the smoothed loss."""
        at_label = values.gather(-1, self.labels[..., None]).squeeze(-1)
        return self.peak * at_label + self.off_value * values.sum(-1)


@dataclass(frozen=True)
class Method:
    """A regulariser: the knob that turns it on (0 is off, ``low <= knob < high``, up to ``high`` itself where
    ``closed``), the knobs that cannot be on beside it, and its places in training.

    Strengths arrive as [M], one per member, and keys (see rng.py) as int64 [M], so that a hook serves every
    member at once and its draws depend on nothing but the member's own seed and the step. A hook that is
    None is not called; a method whose knob is 0 for the whole stack is not called either. At strength 0 a
    hook must return its input bit for bit, and a penalty 0.

    labels:  (labels [N], strength, K, key []) -> labels [N], once, before training, train split only
    batch:   (batch, strength [M], keys [M], shift in pixels, flip allowed) -> batch, each step
    layers:  (model, strength [M], keys [M]) -> {buffer name: [M, ...]}, each step
    loss:    (losses [M,B], logits [M,B,K], target, strength [M]) -> losses [M,B], each step, and again for
             each of the batch's other labels
    distill: (losses [M,B], logits [M,B,K], teacher, strength [M]) -> losses [M,B], each step, once a row,
             after ``loss``; a method that has it needs a teacher (see teachers.py)
    penalty: (logits [M,B,K], strength [M]) -> [M,B], each step; it is added to the loss, whatever the label
    """

    knob: str
    low: float = 0
    high: float = float("inf")
    closed: bool = False
    excludes: tuple[str, ...] = ()
    labels: "Callable[[Tensor, float, int, Tensor], Tensor] | None" = None
    batch: "Callable[[Batch, Tensor, Tensor, int, bool], Batch] | None" = None
    layers: "Callable[[nn.Module, Tensor, Tensor], dict[str, Tensor]] | None" = None
    loss: "Callable[[Tensor, Tensor, Target, Tensor], Tensor] | None" = None
    distill: "Callable[[Tensor, Tensor, TeacherBatch, Tensor], Tensor] | None" = None
    penalty: "Callable[[Tensor, Tensor], Tensor] | None" = None


@dataclass(frozen=True)
class Outcome:
    """What became of one run: ``status`` done, diverged or failed, and everything that the store keeps.

    ``columns`` are values for COLUMNS; ``history`` has a dict per epoch, ``reliability`` one per bin of
    confidence; ``predictions`` holds float32 logits [N,K] and int64 labels [N]; ``weights`` is a state dict
    of CPU tensors. A run that is not done has none of the last three, and says why in ``error``.
    """

    status: str
    columns: Mapping[str, Any]
    history: tuple[Mapping[str, float], ...] = ()
    reliability: tuple[Mapping[str, float], ...] = ()
    predictions: "Mapping[str, np.ndarray[Any, Any]]" = field(default_factory=dict)
    weights: "Mapping[str, Tensor]" = field(default_factory=dict)
    error: str = ""
