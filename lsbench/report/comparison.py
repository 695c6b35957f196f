"""The comparison table of one data set and model."""

from collections.abc import Callable

from lsbench.analysis.columns import SCALING, Row
from lsbench.analysis.labels import distinguishing_columns
from lsbench.analysis.results import Part
from lsbench.formatting import format_setting, number, probability
from lsbench.report.tables import Table, difference, floor, mean_ci


def comparison(part: Part) -> Table:
    """Header and rows: a row per cell with the means of its metrics; accuracy has an interval and Δ too."""
    extras = {name: _setting(name) for name in distinguishing_columns(part.cells)}
    columns: dict[str, Callable[[Row], str]] = {
        "method": _setting("method"),
        **extras,
        "α": _setting("alpha"),
        "n": _setting("n"),
        "failed": _setting("n_failed"),
        "accuracy %": lambda row: mean_ci(row, "test_accuracy", 2, 100),
        "Δ accuracy, points": lambda row: difference(row, "test_accuracy"),
        "p (Holm)": lambda row: probability(row["test_accuracy_p_holm"]),
        "NLL": lambda row: number(row["test_nll_mean"], 4),
        "ECE %": lambda row: number(row["test_ece_mean"], 2, 100),
        "floor %": lambda row: number(floor(row, ""), 2, 100),
        "gap %": lambda row: number(row["test_confidence_gap_mean"], 2, 100, sign=True),
        "T": lambda row: number(row["temperature_mean"], 2) + ("†" if row["n_flagged"] else ""),
        "ECE % scaled": lambda row: number(row["test_ece_ts_mean"], 2, 100),
        "floor % scaled": lambda row: number(floor(row, "_ts"), 2, 100),
        "ECE − T alone, points": _against_scaling,
        "NLL scaled": lambda row: number(row["test_nll_ts_mean"], 4),
    }
    if not part.cells["n_failed"].any():
        del columns["failed"]
    return list(columns), [[text(row) for text in columns.values()] for row in part.rows]


def _against_scaling(row: Row) -> str:
    """The difference in ECE between the cell as trained and temperature scaling without smoothing."""
    if row["unsmoothed"] == row["cell"]:
        return "T alone"
    return difference(row, "test_ece", SCALING)


def _setting(name: str) -> Callable[[Row], str]:
    return lambda row: format_setting(row[name])
