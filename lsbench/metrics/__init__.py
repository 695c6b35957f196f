"""Metrics of a classifier's probabilities, one file each, for every member of a stack at once.

A metric is a file beside this one with ``compute(probs, labels) -> [M]``: ``probs`` float64 [M,N,K] on any
device, ``labels`` int64 [M,N], or [N] where all members share them. Writing the file is all there is to it;
files whose names begin with an underscore are not metrics. Where two classes tie, the first is predicted.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lsbench import registry
from lsbench.terms import COLUMNS

if TYPE_CHECKING:
    from torch import Tensor

    from lsbench.calibration.temperature import Temperature

__path__ = registry.with_extensions(__path__, __name__)


def _rank(name: str) -> tuple[int, str]:
    column = f"test_{name}"
    return (COLUMNS.index(column) if column in COLUMNS else len(COLUMNS)), name


# In the order of the columns that users read; metrics without a column of their own follow by name.
NAMES = tuple(sorted(registry.names(__path__), key=_rank))


# Metrics with a second column after temperature scaling, which does not change accuracy.
SCALED = ("nll", "brier", "ece")


def test_columns(logits: "Tensor", labels: "Tensor", temperature: "Temperature") -> dict[str, "Tensor"]:
    """The columns of a record that the test split determines, float64 [M], from its ``logits`` [M,N,K] and
    ``labels`` int64 [M,N] or [N], and the temperature."""
    from lsbench.calibration.ece_floor import ece_floor
    from lsbench.calibration.temperature import rescale

    rescaled = rescale(logits, temperature)
    scaled = measure(rescaled, labels)
    return {
        **{f"test_{name}": values for name, values in measure(logits, labels).items()},
        "temperature": temperature.value,
        **{f"test_{name}_ts": scaled[name] for name in SCALED},
        "test_ece_floor": ece_floor(logits),
        "test_ece_floor_ts": ece_floor(rescaled),
    }


def measure(logits: "Tensor", labels: "Tensor") -> dict[str, "Tensor"]:
    """Every metric, float64 [M], of ``logits`` [M,N,K] of any precision and ``labels`` int64 [M,N] or [N].

    Raises ValueError if the shapes do not match.
    """
    if logits.ndim != 3 or labels.shape not in (logits.shape[:2], logits.shape[1:2]):
        shapes = f"{list(logits.shape)} and {list(labels.shape)}"
        raise ValueError(f"logits and labels: {shapes}, expected [M,N,K] and [M,N] or [N]")
    probs = logits.detach().double().softmax(-1)
    return {name: import_module(f"{__name__}.{name}").compute(probs, labels) for name in NAMES}
