"""The record that a probe's file declares."""

from collections.abc import Callable
from dataclasses import dataclass

from lsbench.training.trained_model import TrainedModel


@dataclass(frozen=True)
class Probe:
    """A measurement: ``measure`` takes a subject and gives a number for each of ``columns``, in their order.

    ``shown`` are those that the terminal's table has room for; one whose name ends in _accuracy is a
    fraction, and its difference from the baseline stands beside it; ``note`` explains them there. ``version``
    is raised whenever the same weights would give other numbers: what is kept is then stale.
    """

    columns: tuple[str, ...]
    measure: Callable[[TrainedModel], dict[str, float]]
    shown: tuple[str, ...] = ()
    note: str = ""
    version: int = 1
