"""The record that the file of a probe declares."""

from collections.abc import Callable
from dataclasses import dataclass

from lsbench.training.trained_model import TrainedModel


@dataclass(frozen=True)
class Probe:
    """A measurement: ``measure`` takes a trained model and returns a number for each of ``columns``.

    ``shown`` are the columns in the terminal's table, which ``note`` explains; one whose name ends in
    _accuracy is a fraction and is shown with its difference from the baseline. Raise ``version`` whenever the
    same weights would give other numbers: results of an older version are computed again.
    """

    columns: tuple[str, ...]
    measure: Callable[[TrainedModel], dict[str, float]]
    shown: tuple[str, ...] = ()
    note: str = ""
    version: int = 1
