"""Captions, and alternative texts that put a figure's numbers into words."""

from collections.abc import Callable, Sequence

import pandas as pd

from lsbench.analysis.columns import Row, as_rows
from lsbench.formatting import format_setting, number

CAPTIONS = {
    "alpha": "Points are means over seeds. Bars are their 95 % t-intervals for new seeds on this test set: "
    "they show the scatter of runs. Overlapping bars say little about a difference, since a seed and an "
    "image affect all methods alike; this is why Δ is paired.",
    "reliability": "Accuracy over mean confidence in 15 bins of equal width, over all seeds together. On "
    "the diagonal the two agree; above it the model is under-confident, below it over-confident. Bins with "
    "fewer than 30 predictions are not drawn. Test split; T was fitted on the calibrate split.",
    "confidence": "Share of test predictions in each of 15 bins of confidence, over all seeds together, on "
    "a log scale. It counts right and wrong predictions alike.",
    "training": "Means over seeds. The train loss is the one that was minimised: for a smoothed run the "
    "smoothed loss, which cannot fall below the entropy of its targets, and with dropout or augmentation "
    "the loss of the perturbed network or images. The select split is evaluated after each epoch without "
    "any of these.",
}


def over_alpha(lines: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """The results of each method at its smallest and its largest alpha."""
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
    """The mean confidence, accuracy and gap of each case, before and after temperature scaling."""
    return " ".join(f"{label}: {_before_and_after(table, _gap)}." for label, table in cases)


def confidence(cases: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """The share of the last bin for each case, before and after temperature scaling."""
    return "Share of predictions with more than 93.3 % confidence. " + " ".join(
        f"{label}: {_before_and_after(table, _last_share)}." for label, table in cases
    )


def _before_and_after(table: pd.DataFrame, describe: Callable[[pd.DataFrame, str], str]) -> str:
    return f"as trained {describe(table, '')}; after scaling {describe(table, '_ts')}"


def _gap(table: pd.DataFrame, suffix: str) -> str:
    n, confidence, correct = (table[f"{name}{suffix}"].sum() for name in ("n", "confidence", "correct"))
    gap = number((confidence - correct) / n, 2, 100, sign=True)
    shares = f"confidence {number(confidence / n, 2, 100)} %, accuracy {number(correct / n, 2, 100)} %"
    return f"{shares}, gap {gap}"


def _last_share(table: pd.DataFrame, suffix: str) -> str:
    n = table[f"n{suffix}"]
    return f"{number(n.iloc[-1] / n.sum(), 1, 100)} %"


def training(cases: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """The first and last epoch of each case, and the epoch of the least select NLL."""
    return " ".join(f"{label}: {_first_last_best(table)}." for label, table in cases)


def _first_last_best(table: pd.DataFrame) -> str:
    first, last, best = table.iloc[0], table.iloc[-1], table.iloc[int(table["select_nll"].argmin())]
    return (
        f"from epoch {first['epoch']:.0f} to {last['epoch']:.0f} train loss "
        f"{number(first['train_loss'], 4)} to {number(last['train_loss'], 4)}, select accuracy "
        f"{number(first['select_accuracy'], 2, 100)} % to {number(last['select_accuracy'], 2, 100)} %; "
        f"least select NLL {number(best['select_nll'], 4)} at epoch {best['epoch']:.0f}"
    )
