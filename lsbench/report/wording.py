"""Choices and verdicts in words: the α chosen for each method, and the comparisons of the chosen cells."""

import math
from collections.abc import Sequence

import pandas as pd

from lsbench.analysis.baselines import treatments
from lsbench.analysis.columns import SMOOTHING, Row, as_rows, settings_of
from lsbench.analysis.results import Part
from lsbench.analysis.selection import (
    CRITERION,
    CRITERION_TITLE,
    CRITERION_WORDS,
    Choice,
    choice_groups,
    recommended,
    undecided,
)
from lsbench.analysis.verdicts import LEVEL, VERDICT_SEEDS, Judged
from lsbench.formatting import POINTS, count, format_setting
from lsbench.report import tables
from lsbench.report.document import Bullets, Item, Prose, Strong
from lsbench.report.tables import Table, difference, floor, margins, mean_ci, sentence

NOTHING_TO_CHOOSE = "Each method was run with one α, so there was nothing to choose."
NO_CHOICE = "No α could be chosen, so there is nothing to interpret. The verdicts need no choice."
NO_RUN = "No run finished, so there is nothing to interpret."
LARGEST = "(the largest tried)"


def choosing(part: Part) -> str:
    """The rule that chose each α, the cells it left out, and the methods without a choice."""
    table = part.cells
    if all(len(cells) == 1 for _, _, cells in choice_groups(table)):
        return NOTHING_TO_CHOOSE
    sentences = [
        f"For each method, the α with the lowest mean {CRITERION_WORDS} was chosen; means are over "
        "the seeds that all cells of the method share. Temperatures were fitted on the calibrate split. The "
        "test split was used once, at the end, and influenced neither."
    ]
    excluded = [
        f"{part.labels[row['cell']]}, α = {format_setting(row['alpha'])}"
        for _, _, cells in choice_groups(table)
        for row in as_rows(cells[cells["n"] < cells["n"].max()])
    ]
    if excluded:
        sentences.append(f"Excluded, because fewer runs finished than in other cells: {'; '.join(excluded)}.")
    if without := undecided(table):
        sentences.append(f"No choice, because the cells have no seed in common: {'; '.join(without)}.")
    return " ".join(sentences)


def choice_table(part: Part) -> Table:
    """Header and rows: each method's chosen α and strength, the number of seeds that alone would choose them,
    and the test results of that cell. Strengths and failed runs have a column if there are any."""
    choices = part.choices
    columns = {
        "method": [choice.label for choice in choices],
        "strength": [choice.strength for choice in choices],
        "α": [_alpha(choice) for choice in choices],
        "n": [str(choice.row["n"]) for choice in choices],
        "failed": [str(choice.row["n_failed"] or "") for choice in choices],
        CRITERION_TITLE: [mean_ci(choice.row, CRITERION, 4) for choice in choices],
        "seeds that agree": [f"{choice.agree} of {choice.seeds}" for choice in choices],
        "accuracy %": [mean_ci(choice.row, "test_accuracy", 2, 100) for choice in choices],
        "Δ accuracy, points": [difference(choice.row, "test_accuracy", SMOOTHING) for choice in choices],
        "ECE % scaled": [POINTS.number(choice.row["test_ece_ts_mean"]) for choice in choices],
        "floor % scaled": [POINTS.number(floor(choice.row, "_ts")) for choice in choices],
    }
    for name in ("strength", "failed"):
        if not any(columns[name]):
            del columns[name]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _alpha(choice: Choice) -> str:
    alpha = format_setting(choice.row["alpha"])
    return f"{alpha} {LARGEST}" if choice.largest else alpha


def interpretation(part: Part) -> tuple[Prose | Bullets, ...]:
    """An item for each method at its chosen α and strength, with every verdict on that cell. Where the chosen
    α is 0, the best α above 0 has an item too."""
    rows = _recommended(part.cells)
    if not rows:
        return (Prose(NO_CHOICE if part.cells["n"].any() else NO_RUN),)
    by_cell = {row["cell"]: row for row in part.rows}
    verdicts: dict[str, list[Judged]] = {cell: [] for cell in by_cell}
    for judged in part.verdicts:
        verdicts[judged.cell].append(judged)
    names = treatments(settings_of(part.cells))
    items = []
    for row, note in rows:
        confounded = _beside_smoothing(row, by_cell.get(row["baseline"], row), names)
        items.append(_item(part.labels[row["cell"]], row, note, confounded, verdicts[row["cell"]]))
    return Prose(_legend([row["n"] for row, _ in rows])), Bullets(tuple(items))


def power_table(part: Part) -> Table:
    """`tables.power_table` of the cells in `interpretation`."""
    cells = {row["cell"] for row, _ in _recommended(part.cells)}
    comparisons = [
        ((f"{judged.label}, α = {format_setting(judged.alpha)}: {judged.words}", judged.against), judged)
        for judged in part.verdicts
        if judged.cell in cells
    ]
    return tables.power_table(("comparison", "against"), comparisons)


def _recommended(table: pd.DataFrame) -> list[tuple[Row, str]]:
    """Each method's recommended rows, with a remark each: the chosen one and, if that is without smoothing,
    the best with it."""
    remarks = ("", f", the best with smoothing by {CRITERION_TITLE}")
    return [
        pair
        for _, _, cells in choice_groups(table)
        for pair in zip(recommended(cells), remarks, strict=False)
    ]


def _beside_smoothing(row: Row, base: Row, names: Sequence[str]) -> list[str]:
    """The treatments ``names`` in which a smoothed ``row`` differs from its baseline ``base``."""
    if not row["alpha"]:
        return []
    values = [(name, row[name], base[name]) for name in names]
    return [
        name
        for name, value, of_base in values
        if value != of_base and not (pd.isna(value) and pd.isna(of_base))
    ]


def _legend(counts: Sequence[int]) -> str:
    """The meaning of the verdicts, and a caution where there are too few seeds."""
    sentences = []
    if few := sorted({n for n in counts if n < VERDICT_SEEDS}):
        sentences.append(
            f"n = {' or '.join(map(str, few))} is exploratory: verdicts are marked as such below "
            f"{VERDICT_SEEDS} seeds, and 10 or more are better."
        )
    sentences += [
        f"“Supported” and “refuted”: better or worse than the cell compared with, p (Holm) below {LEVEL}.",
        f"“Equivalent”: within a margin fixed in advance ({margins()}), p (TOST, Holm) below {LEVEL}.",
        "“Inconclusive”: neither; this is not evidence that there is no effect.",
    ]
    return " ".join(sentences)


def _item(label: str, row: Row, note: str, confounded: Sequence[str], verdicts: Sequence[Judged]) -> Item:
    """A row in words: its confidence, what it is compared with, and a sentence for each verdict. The baseline
    lacks the treatments ``confounded`` as well as smoothing."""
    text = note
    if row["baseline"] == row["cell"]:
        text += " is plain training itself"
    elif not row["baseline"]:
        text += ": the same without smoothing was not run, so its effect is unknown"
    sentences = [f"{text}.", *_confidence(row)]
    if confounded:
        sentences.append(
            f"Differences from plain training are the combined effect of {', '.join(confounded)} and "
            "smoothing."
        )
    if row["n_failed"]:
        runs = count(row["n_failed"], "more run")
        sentences.append(f"{runs} did not finish and are not in the means.")
    head = Strong(f"{label}, α = {format_setting(row['alpha'])}")
    comparisons: dict[str, list[Judged]] = {}
    for judged in verdicts:
        comparisons.setdefault(judged.against, []).append(judged)
    items = [
        Item(f"against {against}, n = {group[0].n}", tuple(Item(sentence(judged)) for judged in group))
        for against, group in comparisons.items()
    ]
    return Item((head, " ".join(sentences)), tuple(items))


def _confidence(row: Row) -> list[str]:
    """The sign of the confidence gap as trained, and the calibration errors beside their noise floors."""
    gap = row["test_confidence_gap_mean"]
    if math.isnan(gap):
        return []
    direction = "over" if gap > 0 else "under"
    sentences = [f"As trained it is {direction}-confident by {POINTS.number(abs(gap))} points."]
    floors = [floor(row, suffix) for suffix in ("", "_ts")]
    if not any(map(math.isnan, floors)):
        errors = [row[f"test_ece{suffix}_mean"] for suffix in ("", "_ts")]
        before, after = (
            f"{POINTS.number(error)} % (noise floor {POINTS.number(floor)} %)"
            for error, floor in zip(errors, floors, strict=True)
        )
        sentences.append(f"ECE {before}, after scaling {after}.")
    return sentences
