"""Figures in words: what each one shows, and its numbers for those who do not see it."""

from collections.abc import Callable, Sequence

import pandas as pd

from lsbench.analysis.baselines import Row, as_rows
from lsbench.formatting import format_setting, number

OVER_ALPHA = (
    "Points are means over seeds, bars their 95 % t-intervals. Bars that overlap say little of a difference: "
    "a seed moves all methods together, which is why Δ is paired."
)
RELIABILITY = (
    "Accuracy over mean confidence in 15 bins of equal width, over all seeds together; on the diagonal the "
    "two agree, above it the model is under-confident, below it over-confident. Bins of fewer than 30 "
    "predictions are not drawn. Test split; T was fitted on calibrate."
)
CONFIDENCE = (
    "Share of test predictions in each of 15 bins of confidence, over all seeds together, on a log scale: "
    "how sure of itself the model is, whether or not it is right."
)
TRAINING = (
    "Means over seeds. The train loss is the one that was minimised: of a smoothed run it is the smoothed "
    "one, which cannot fall below the entropy of its targets, and with dropout or augmentation it is of the "
    "changed network or images. The select split is measured plainly after each epoch."
)


def over_alpha(lines: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """For each method, the first and the last alpha."""
    return " ".join(
        _over_alpha(label, as_rows(line.dropna(subset="test_accuracy_mean"))) for label, line in lines
    )


def _over_alpha(label: str, rows: list[Row]) -> str:
    if not rows:
        return f"{label}: no number."
    ends = rows[:1] if len(rows) == 1 else [rows[0], rows[-1]]
    shown = (
        ("accuracy", "test_accuracy", 2, 100, " %"),
        ("ECE as trained", "test_ece", 2, 100, " %"),
        ("ECE after scaling", "test_ece_ts", 2, 100, " %"),
        ("NLL as trained", "test_nll", 4, 1, ""),
        ("NLL after scaling", "test_nll_ts", 4, 1, ""),
    )
    parts = [
        f"{name} {' to '.join(number(row[f'{metric}_mean'], digits, scale) + unit for row in ends)}"
        for name, metric, digits, scale, unit in shown
    ]
    alphas = " to ".join(format_setting(row["alpha"]) for row in ends)
    return f"{label}, α = {alphas}: {', '.join(parts)}."


def reliability(cases: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """For each case mean confidence, accuracy and their gap, before and after."""
    return " ".join(f"{label}: {_sides(table, _gap)}." for label, table in cases)


def confidence(cases: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """For each case the share of the last bin, before and after."""
    return "Predictions of more than 93.3 % confidence. " + " ".join(
        f"{label}: {_sides(table, _last_share)}." for label, table in cases
    )


def _sides(table: pd.DataFrame, side: Callable[[pd.DataFrame, str], str]) -> str:
    return f"as trained {side(table, '')}; after scaling {side(table, '_ts')}"


def _gap(table: pd.DataFrame, suffix: str) -> str:
    n, confidence, correct = (table[f"{name}{suffix}"].sum() for name in ("n", "confidence", "correct"))
    gap = number((confidence - correct) / n, 2, 100, sign=True)
    return (
        f"confidence {number(confidence / n, 2, 100)} %, accuracy {number(correct / n, 2, 100)} %, gap {gap}"
    )


def _last_share(table: pd.DataFrame, suffix: str) -> str:
    n = table[f"n{suffix}"]
    return f"{number(n.iloc[-1] / n.sum(), 1, 100)} %"


def training(cases: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """For each case the losses of the first and the last epoch, and the epoch of the least select NLL."""
    return " ".join(f"{label}: {_course(table)}." for label, table in cases)


def _course(table: pd.DataFrame) -> str:
    first, last, best = table.iloc[0], table.iloc[-1], table.iloc[int(table["select_nll"].argmin())]
    return (
        f"from epoch {first['epoch']:.0f} to {last['epoch']:.0f} train loss "
        f"{number(first['train_loss'], 4)} to {number(last['train_loss'], 4)}, select accuracy "
        f"{number(first['select_accuracy'], 2, 100)} % to {number(last['select_accuracy'], 2, 100)} %; "
        f"least select NLL {number(best['select_nll'], 4)} at epoch {best['epoch']:.0f}"
    )
