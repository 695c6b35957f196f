"""The tables in words: what each method would be given on the select split, and what test says of it."""

import math
from collections.abc import Sequence

import pandas as pd

from lsbench.report.aggregate import Row, as_rows, labels
from lsbench.report.selection import choices as selected
from lsbench.report.selection import chosen, contests
from lsbench.report.text import brief, difference, number, pipe_table, spread
from lsbench.report.verdict_text import MORE, Table, margins, more_seeds, sentence, word_table
from lsbench.report.verdicts import LEVEL, VERDICT_SEEDS, Verdict, verdicts

NOTHING_TO_CHOOSE = "One α per method, so there was nothing to choose."


def choices(runs: pd.DataFrame, table: pd.DataFrame) -> str:
    """`choice_table` in Markdown."""
    header, rows = choice_table(runs, table)
    return pipe_table(header, rows) if rows else NOTHING_TO_CHOOSE


def choice_table(runs: pd.DataFrame, table: pd.DataFrame) -> Table:
    """Header and rows: each method's α and strength by select NLL, the seeds that alone would choose them,
    and the test results of that cell."""
    found = selected(runs, table)
    header = ["method", "strength", "α", "select NLL", "seeds that agree"]
    header += ["accuracy %", "Δ accuracy, points", "ECE % scaled"]
    rows = [
        [
            *(choice.label, choice.strength, brief(choice.row["alpha"]), spread(choice.row, "select_nll", 4)),
            *(f"{choice.agree} of {choice.seeds}", spread(choice.row, "test_accuracy", 2, 100)),
            *(difference(choice.row, "test_accuracy"), number(choice.row["test_ece_ts_mean"], 2, 100)),
        ]
        for choice in found
    ]
    if any(choice.strength for choice in found):
        return header, rows
    return [header[0], *header[2:]], [[row[0], *row[2:]] for row in rows]


def reading(table: pd.DataFrame) -> str:
    """A point for each method at its chosen α and strength, with a verdict for each question asked of it, and
    one with the best smoothing where none is chosen."""
    rows = _recommended(table)
    if not rows:
        return "No run finished, so there is nothing to read."
    label_of = labels(table)
    found: dict[str, list[Verdict]] = {row["cell"]: [] for row in as_rows(table)}
    for verdict in verdicts(table):
        found[verdict.cell].append(verdict)
    points = [_point(label_of[row["cell"]], row, note, found[row["cell"]]) for row, note in rows]
    return "\n".join([_caution([row["n"] for row, _ in rows]), "", *points])


def words(table: pd.DataFrame) -> str:
    """`word_table` of every comparison, in Markdown; empty where nothing is compared."""
    header, rows = word_table(verdicts(table))
    return pipe_table(header, rows) if rows else ""


def buying(table: pd.DataFrame) -> str:
    """`buying_table` in Markdown, and how to read it; empty where nothing would be learnt."""
    header, rows = buying_table(table)
    return f"{MORE}\n\n{pipe_table(header, rows)}" if rows else ""


def buying_table(table: pd.DataFrame) -> Table:
    """`more_seeds` of the cells in `reading`."""
    cells = {row["cell"] for row, _ in _recommended(table)}
    return more_seeds([verdict for verdict in verdicts(table) if verdict.cell in cells])


def _recommended(table: pd.DataFrame) -> list[tuple[Row, str]]:
    """Each method's chosen row, and where that is without smoothing the best with it, each with a remark."""
    rows = []
    for _, _, cells in contests(table):
        if best := chosen(cells):
            rows.append((best, ""))
            smoothed = chosen(cells[cells["alpha"] > 0]) if best["alpha"] == 0 else None
            rows += [(smoothed, ", the best with smoothing by select NLL")] if smoothed else []
    return rows


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


def _point(label: str, row: Row, note: str, found: Sequence[Verdict]) -> str:
    """A row in words: what it is compared with, its confidence, and one line a question."""
    head = f"- **{label}, α = {brief(row['alpha'])}**{note}"
    tail = _confidence(row)
    if row["method"] != "none" and row["alpha"] > 0:
        tail += f" The differences from the baseline are those of {row['method']} and smoothing together."
    if row["n_failed"]:
        tail += f" {row['n_failed']} more of its runs did not finish and are in no mean."
    if row["baseline"] == row["cell"]:
        return f"{head} is the baseline itself.{tail}"
    if not row["baseline"]:
        head += ": no baseline was run, so there is no difference to judge"
    points = [f"{head}.{tail}"]
    for against in dict.fromkeys(verdict.against for verdict in found):
        own = [verdict for verdict in found if verdict.against == against]
        points += [f"  - against {against}, n = {own[0].n}"]
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
    floors = [row.get(f"test_ece_floor{scaled}_mean", math.nan) for scaled in ("", "_ts")]
    if any(map(math.isnan, floors)):
        return text
    errors = [row[f"test_ece{scaled}_mean"] for scaled in ("", "_ts")]
    before, after = (
        f"{number(error, 2, 100)} % (noise floor {number(floor, 2, 100)} %)"
        for error, floor in zip(errors, floors, strict=True)
    )
    return f"{text} ECE {before}, after scaling {after}."
