"""The comparison tables of a data set and model: smoothing within each method, and against plain training."""

from collections.abc import Callable, Mapping

from lsbench.analysis.columns import PLAIN, SCALING, SMOOTHING, Row
from lsbench.analysis.labels import distinguishing_columns
from lsbench.analysis.results import Part
from lsbench.analysis.verdicts import BY_METRIC, Judged
from lsbench.formatting import DASH, format_setting, number
from lsbench.report.tables import Table, difference, floor, mean_ci, p_text, with_interval

# The columns that are shown first; the others are shown on demand.
FIRST = ("method", "α", "n", "accuracy %", "Δ accuracy, points", "verdict", "NLL scaled", "ECE % scaled")


def comparison(part: Part) -> Table:
    """Header and rows: a row per cell with the means of its metrics, and what smoothing does to its accuracy.
    The columns `FIRST` come first."""
    judged = {j.cell: j for j in part.verdicts if (j.kind, j.metric) == (SMOOTHING, "test_accuracy")}
    columns: dict[str, Callable[[Row], str]] = {
        "method": name_of(part),
        "α": lambda row: format_setting(row["alpha"]),
        "n": lambda row: format_setting(row["n"]),
        "accuracy %": lambda row: mean_ci(row, "test_accuracy", 2, 100),
        "Δ accuracy, points": lambda row: _effect(row, "test_accuracy", judged),
        "verdict": lambda row: judged[row["cell"]].verdict_label if row["cell"] in judged else DASH,
        "NLL scaled": lambda row: number(row["test_nll_ts_mean"], 4),
        "ECE % scaled": lambda row: number(row["test_ece_ts_mean"], 2, 100),
        "p (Holm)": lambda row: (
            p_text(judged[row["cell"]].p_holm, judged[row["cell"]]) if row["cell"] in judged else DASH
        ),
        "failed": lambda row: format_setting(row["n_failed"]),
        "floor % scaled": lambda row: number(floor(row, "_ts"), 2, 100),
        "ECE − T alone, points": _against_scaling,
        "NLL": lambda row: number(row["test_nll_mean"], 4),
        "ECE %": lambda row: number(row["test_ece_mean"], 2, 100),
        "floor %": lambda row: number(floor(row, ""), 2, 100),
        "gap %": lambda row: number(row["test_confidence_gap_mean"], 2, 100, sign=True),
        "T": lambda row: number(row["temperature_mean"], 2) + ("†" if row["n_flagged"] else ""),
    }
    if not part.cells["n_failed"].any():
        del columns["failed"]
    return _table(part.rows, columns)


def against_plain(part: Part) -> Table:
    """Header and rows: the difference from plain training of each cell with another method, in accuracy and,
    after scaling, in NLL and ECE, with its verdict."""
    by_cell: dict[str, dict[str, Judged]] = {}
    for judged in part.verdicts:
        if judged.kind == PLAIN:
            by_cell.setdefault(judged.cell, {})[judged.metric] = judged
    columns: dict[str, Callable[[Row], str]] = {
        "method": name_of(part),
        "α": lambda row: format_setting(row["alpha"]),
    }
    for metric, title in (
        ("test_accuracy", "Δ accuracy, points"),
        ("test_nll_ts", "Δ NLL scaled"),
        ("test_ece_ts", "Δ ECE scaled, points"),
    ):
        columns[title] = _of_metric(by_cell, metric, with_interval)
        columns[f"verdict on {BY_METRIC[metric].words.partition(' ')[0]}"] = _of_metric(
            by_cell, metric, lambda judged: judged.verdict_label
        )
    return _table([row for row in part.rows if row["cell"] in by_cell], columns)


def name_of(part: Part) -> Callable[[Row], str]:
    """The function that gives a row's name: the label of its line, followed by the cell if labels do not tell
    all rows apart."""
    ambiguous = "cell" in distinguishing_columns(part.cells)

    def name(row: Row) -> str:
        label = part.labels[row["cell"]]
        return f"{label} ({row['cell']})" if ambiguous else label

    return name


def _table(rows: list[Row], columns: Mapping[str, Callable[[Row], str]]) -> Table:
    return list(columns), [[text(row) for text in columns.values()] for row in rows]


def _effect(row: Row, metric: str, judged: Mapping[str, Judged]) -> str:
    """Smoothing's effect on a row; a row without smoothing has none."""
    if not row["alpha"]:
        return "no smoothing"
    return difference(row, metric, SMOOTHING) if row["cell"] in judged else DASH


def _of_metric(
    by_cell: Mapping[str, Mapping[str, Judged]], metric: str, text: Callable[[Judged], str]
) -> Callable[[Row], str]:
    return lambda row: text(by_cell[row["cell"]][metric])


def _against_scaling(row: Row) -> str:
    """The difference in ECE between the cell as trained and temperature scaling without smoothing."""
    return "T alone" if row["unsmoothed"] == row["cell"] else difference(row, "test_ece", SCALING)
