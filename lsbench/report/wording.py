"""The tables in words: what each method would be given on the select split, and what test says of it."""

import math
from collections.abc import Sequence

import pandas as pd

from lsbench.analysis.baselines import Row, as_rows, settings_of, treatments
from lsbench.analysis.results import Part
from lsbench.analysis.selection import choice_groups, criterion_of, recommended, undecided
from lsbench.analysis.verdicts import LEVEL, VERDICT_SEEDS, Verdict
from lsbench.formatting import difference, escape_markdown, floor, format_setting, mean_ci, number
from lsbench.report.tables import Table, margins, more_seeds, sentence

NOTHING_TO_CHOOSE = "One α per method, so there was nothing to choose."
NO_CHOICE = "No α could be chosen, so there is nothing to read here; verdicts need no choice."
LARGEST = "(the largest tried)"


def choosing(part: Part) -> str:
    """By what the choices were made, among which cells they were not, and where there was none."""
    table = part.cells
    if all(len(cells) == 1 for _, _, cells in choice_groups(table)):
        return NOTHING_TO_CHOOSE
    text = (
        f"Each α was chosen by mean {criterion_of(table).words}, over the seeds that all cells of a method "
        "have. Temperatures were fitted on the calibrate split. The test split was opened once, at the end, "
        "and had no part in either."
    )
    left = [
        f"{part.labels[row['cell']]}, α = {format_setting(row['alpha'])}"
        for _, _, cells in choice_groups(table)
        for row in as_rows(cells[cells["n"] < cells["n"].max()])
    ]
    if left:
        names = escape_markdown("; ".join(left))
        text += f" Not chosen among, since fewer runs finished than of others: {names}."
    if without := undecided(table):
        text += (
            f" Nothing was chosen where cells have no seed in common: {escape_markdown('; '.join(without))}."
        )
    return text


def choice_table(part: Part) -> Table:
    """Header and rows: each method's α and strength by select NLL, the seeds that alone would choose them,
    and the test results of that cell. The columns of strengths and failed runs are there where some are."""
    found, by = part.choices, criterion_of(part.cells)
    columns = {
        "method": [choice.label for choice in found],
        "strength": [choice.strength for choice in found],
        "α": [format_setting(choice.row["alpha"]) + f" {LARGEST}" * choice.largest for choice in found],
        "n": [str(choice.row["n"]) for choice in found],
        "failed": [str(choice.row["n_failed"] or "") for choice in found],
        by.short: [mean_ci(choice.row, by.column, 4) for choice in found],
        "seeds that agree": [f"{choice.agree} of {choice.seeds}" for choice in found],
        "accuracy %": [mean_ci(choice.row, "test_accuracy", 2, 100) for choice in found],
        "Δ accuracy, points": [difference(choice.row, "test_accuracy") for choice in found],
        "ECE % scaled": [number(choice.row["test_ece_ts_mean"], 2, 100) for choice in found],
        "floor % scaled": [number(floor(choice.row, "_ts"), 2, 100) for choice in found],
    }
    for name in ("strength", "failed"):
        if not any(columns[name]):
            del columns[name]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def interpretation(part: Part) -> str:
    """A point for each method at its chosen α and strength, with a verdict for each question asked of it, and
    one with the best smoothing where none is chosen."""
    rows = _recommended(part.cells)
    if not rows:
        return NO_CHOICE if part.cells["n"].any() else "No run finished, so there is nothing to read."
    by_cell = {row["cell"]: row for row in part.rows}
    found: dict[str, list[Verdict]] = {cell: [] for cell in by_cell}
    for verdict in part.verdicts:
        found[verdict.cell].append(verdict)
    names = treatments(settings_of(part.cells))
    points = []
    for row, note in rows:
        together = _beside_smoothing(row, by_cell.get(row["baseline"], row), names)
        points.append(_point(part.labels[row["cell"]], row, note, together, found[row["cell"]]))
    return "\n".join([_caution([row["n"] for row, _ in rows]), "", *points])


def power_table(part: Part) -> Table:
    """`more_seeds` of the cells in `interpretation`."""
    cells = {row["cell"] for row, _ in _recommended(part.cells)}
    return more_seeds([verdict for verdict in part.verdicts if verdict.cell in cells])


def _recommended(table: pd.DataFrame) -> list[tuple[Row, str]]:
    """Each method's chosen row, and where that is without smoothing the best with it, each with a remark."""
    remarks = ("", f", the best with smoothing by {criterion_of(table).short}")
    return [
        pair
        for _, _, cells in choice_groups(table)
        for pair in zip(recommended(cells), remarks, strict=False)
    ]


def _beside_smoothing(row: Row, base: Row, names: Sequence[str]) -> list[str]:
    """The treatments ``names`` that tell a smoothed ``row`` from its baseline ``base``."""
    if not row["alpha"]:
        return []
    values = [(name, row[name], base[name]) for name in names]
    return [name for name, own, other in values if own != other and not (pd.isna(own) and pd.isna(other))]


def _caution(counts: list[int]) -> str:
    """What the words mean, and what numbers of seeds like these can tell."""
    few = sorted({n for n in counts if n < VERDICT_SEEDS})
    sentences = []
    if few:
        sentences += [
            f"With n = {' or '.join(map(str, few))} these numbers explore and decide nothing:",
            f"below {VERDICT_SEEDS} seeds a verdict is marked as exploratory, and 10 are better.",
        ]
    sentences += [
        f"“Supported” and “refuted”: better or worse than what it is compared with, p (Holm) below {LEVEL}.",
        f"“Equivalent”: within a margin stated beforehand ({margins()}), p (TOST, Holm) below {LEVEL}.",
        "“Inconclusive”: neither, which does not show that there is no effect.",
    ]
    return " ".join(sentences)


def _point(label: str, row: Row, note: str, together: Sequence[str], found: Sequence[Verdict]) -> str:
    """A row in words: what it is compared with, its confidence, and one line a question. ``together`` are
    the treatments besides smoothing that the baseline lacks."""
    head = f"- **{escape_markdown(label)}, α = {format_setting(row['alpha'])}**{note}"
    tail = _confidence(row)
    if together:
        tail += (
            f" The differences from the baseline are those of {', '.join(together)} and smoothing together."
        )
    if row["n_failed"]:
        tail += f" {row['n_failed']} more of its runs did not finish and are in no mean."
    if row["baseline"] == row["cell"]:
        return f"{head} is the baseline itself.{tail}"
    if not row["baseline"]:
        head += ": no baseline was run, so there is no difference to judge"
    points = [f"{head}.{tail}"]
    for against in dict.fromkeys(verdict.against for verdict in found):
        own = [verdict for verdict in found if verdict.against == against]
        points += [f"  - against {escape_markdown(against)}, n = {own[0].n}"]
        points += [f"    - {sentence(verdict)}" for verdict in own]
    return "\n".join(points)


def _confidence(row: Row) -> str:
    """Which way the model errs as trained, and its calibration errors beside their noise floors."""
    gap = row["test_confidence_gap_mean"]
    if math.isnan(gap):
        return ""
    text = (
        f" As trained it is {'over' if gap > 0 else 'under'}-confident by {number(abs(gap), 2, 100)} points."
    )
    floors = [floor(row, scaled) for scaled in ("", "_ts")]
    if any(map(math.isnan, floors)):
        return text
    errors = [row[f"test_ece{scaled}_mean"] for scaled in ("", "_ts")]
    before, after = (
        f"{number(error, 2, 100)} % (noise floor {number(floor, 2, 100)} %)"
        for error, floor in zip(errors, floors, strict=True)
    )
    return f"{text} ECE {before}, after scaling {after}."
