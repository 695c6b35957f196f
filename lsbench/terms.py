"""Glossary: the records that several parts of lsbench share, one meaning for each word.

    run       one configuration with one seed
    cell      the runs that differ in nothing but the seed
    stack     M runs, its members, of one model and data set, trained together as one program; M may be 1
    knob      a number that may differ between the members of a stack: alpha, lr, each method's strength
    method    a regulariser other than label smoothing, switched on by its knob
    alpha     the smoothing mass
    split     train (fits weights), select (chooses alpha and strengths), calibrate (fits the temperature),
              test (used once, after training)

Letters in shapes: M members of a stack, B rows of a batch, N rows of a split, K classes; C, H, W channels,
height and width of an image.
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

# Re-exported errors of lsbench.errors: extensions import them from here, together with the records.
__all__ = [
    "BINS",
    "COLUMNS",
    "CONVENTIONS",
    "DIVERGED",
    "DONE",
    "FAILED",
    "METHOD_KNOBS",
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

BINS = 15  # of equal width, of the confidence, in every ECE and reliability table

# The columns of runs.csv, and the keys of result.json, in their order.
COLUMNS = (
    "run status data model method convention alpha dropout augment weight_decay label_noise lr epochs "
    "batch_size seed n_train n_test train_accuracy test_accuracy test_nll test_brier test_ece test_ece_mass "
    "test_ece_classwise test_mce test_confidence_gap temperature test_nll_ts test_brier_ts test_ece_ts "
    "select_accuracy select_nll train_seconds device precision stack_size data_sha256 lsbench git_sha torch "
    "finished error"
).split()

# The status of a run: it finished, its loss became infinite or NaN, or an error ended it.
DONE, DIVERGED, FAILED = "done", "diverged", "failed"

# The knobs of methods that have a column of their own; those of other methods follow `COLUMNS`.
METHOD_KNOBS = ("dropout", "augment", "weight_decay")

# Definitions of "label smoothing"; see lsbench/ops/smoothed_ce.py.
CONVENTIONS = ("uniform", "others", "as_printed")

SPLIT_NAMES = ("train", "select", "calibrate", "test")


@dataclass(frozen=True)
class Splits:
    """A data set as its source provides it; each run's seed then assigns its rows to the four splits.

    ``train_images`` uint8 [N,C,H,W] and ``train_labels`` int64 [N] are divided into train, select and
    calibrate, and also test if the source has no test set of its own (``test_images`` and ``test_labels`` are
    None). ``classes`` are the names of the K classes.
    """

    train_images: "np.ndarray[Any, np.dtype[np.uint8]]"
    train_labels: "np.ndarray[Any, np.dtype[np.int64]]"
    test_images: "np.ndarray[Any, np.dtype[np.uint8]] | None"
    test_labels: "np.ndarray[Any, np.dtype[np.int64]] | None"
    classes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content: class names, shapes, pixels and labels. It does not depend on the files."""
        digest = hashlib.sha256("\n".join(self.classes).encode(errors="surrogateescape"))
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.data)
        return digest.hexdigest()


@dataclass(frozen=True)
class TeacherBatch:
    """Teacher logits for a batch: ``logits`` [M,B,K] on the images before augmentation, and the softening
    ``temperature`` [M] of each member. The logits of a member without a teacher are 0."""

    logits: "Tensor"
    temperature: "Tensor"


@dataclass(frozen=True)
class Batch:
    """The rows of one training step for every member.

    ``images`` [M,B,C,H,W] are raw pixel values 0..255 (uint8, or float after a method has mixed them),
    ``labels`` int64 [M,B]. If images were mixed, ``others`` holds pairs of the other images' labels [M,B] and
    their share of the row's loss, [M,1] or [M,B]; the rest of the loss is against ``labels``. ``teacher`` is
    None unless some member learns from a teacher.
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
    """A regulariser: a ``knob``, whose value is the method's strength, and hooks into training.

    The strength is 0 (off) or from ``low`` to below ``high``; ``high`` itself is included if ``closed``.
    While it is on, the knobs in ``excludes`` must be 0.

    To add a method, write a file in methods/ that defines ``METHOD = Method(knob=..., ...)`` and a yaml in
    conf/method/ that sets the knob. Define only the hooks that the method needs:

    labels   (labels [N], strength, K, key []) -> labels [N]
             once for each member, before training: changes the labels of the train split
    batch    (batch, strength [M], keys [M], shift, flip) -> batch
             each step, before the forward pass: changes images or labels. The data set allows shifts by up to
             ``shift`` pixels, and mirroring if ``flip``
    layers   (model, strength [M], keys [M]) -> {buffer name: values [M, ...]}
             each step, before the forward pass: switches on the layers of the model that the method uses, and
             returns new values for their buffers
    loss     (losses [M,B], logits [M,B,K], target, strength [M]) -> losses [M,B]
             each step, for every label of a row: changes the loss against ``target``; a mixed row has several
    distill  (losses [M,B], logits [M,B,K], teacher, strength [M]) -> losses [M,B]
             each step, after ``loss``: combines the loss with one against the teacher's logits. A method with
             this hook needs method.teacher
    penalty  (logits [M,B,K], strength [M]) -> penalties [M,B]
             each step: is added to the loss

    idle     (model, shift, flip) -> text
             once, before training: the reason why the method would change nothing with this model and data,
             which is an error; empty if it would

    A hook serves all members of a stack in one call (``labels`` one member). It is called only if some member
    has a strength above 0, and must leave members at strength 0 exactly as they are; their penalty is 0.
    Random numbers must be drawn from ``keys`` (int64) with lsbench.rng. Keys are functions of a member's
    seed, the method's name and the step, so a member's draws do not depend on the other members.
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
    idle: "Callable[[nn.Module, int, bool], str] | None" = None


@dataclass(frozen=True)
class Outcome:
    """The result of one run, as the store saves it: ``status`` is done, diverged or failed.

    ``columns`` are values of COLUMNS and further columns; ``history`` has a dict for each epoch,
    ``reliability`` one for each bin of confidence; ``predictions`` holds logits float32 [N,K] and labels
    int64 [N] of test and calibrate; ``weights`` is a state dict of CPU tensors. A run that is not done has
    none of the last three, but an ``error``.
    """

    status: str
    columns: Mapping[str, Any]
    history: tuple[Mapping[str, float], ...] = ()
    reliability: tuple[Mapping[str, float], ...] = ()
    predictions: "Mapping[str, np.ndarray[Any, Any]]" = field(default_factory=dict)
    weights: "Mapping[str, Tensor]" = field(default_factory=dict)
    error: str = ""
