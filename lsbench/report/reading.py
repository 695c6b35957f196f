"""The tables in words: which α each method would be given on the select split, and what test says of it."""

import math

import pandas as pd

from lsbench.report.aggregate import Row, as_rows, brief, chosen, lines
from lsbench.report.comparison import difference, number, pipe_table, probability, spread

VERDICT_SEEDS = 8  # with fewer, a paired test can hint and not decide
LEVEL = 0.05
Claim = tuple[str, str, str, float, int]  # words, metric, unit, what a metric of 1 is in that unit, digits
CLAIMS: tuple[Claim, ...] = (
    ("accuracy", "test_accuracy", " points", 100, 2),
    ("ECE as trained", "test_ece", " points", 100, 2),
    ("ECE after scaling", "test_ece_ts", " points", 100, 2),
    ("NLL after scaling", "test_nll_ts", "", 1, 4),
)


def choices(runs: pd.DataFrame, table: pd.DataFrame) -> str:
    """`choice_table` in Markdown."""
    header, rows = choice_table(runs, table)
    return pipe_table(header, rows) if rows else "One α per method, so there was nothing to choose."


def choice_table(runs: pd.DataFrame, table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a method's α by select NLL, the seeds that alone would choose it, its test results."""
    header = [
        "method",
        "α",
        "select NLL",
        "seeds that agree",
        "accuracy %",
        "Δ accuracy, points",
        "ECE % scaled",
    ]
    rows = []
    for label, line in lines(table):
        best = chosen(line)
        if best is None or line["alpha"].nunique() == 1:
            continue
        by_seed = runs[runs["cell"].isin(line["cell"])].pivot(
            index="seed", columns="cell", values="select_nll"
        )
        votes = by_seed.dropna(axis=1, how="all").dropna().idxmin(axis=1)
        agree = f"{int((votes == best['cell']).sum())} of {len(votes)}"
        results = [spread(best, "test_accuracy", 2, 100), difference(best, "test_accuracy")]
        scaled = number(best["test_ece_ts_mean"], 2, 100)
        rows.append([label, brief(best["alpha"]), spread(best, "select_nll", 4), agree, *results, scaled])
    return header, rows


def reading(table: pd.DataFrame) -> str:
    """A point for each method at its chosen α, against its baseline; no verdict below VERDICT_SEEDS seeds."""
    rows = [(label, best) for label, line in lines(table) if (best := chosen(line))]
    if not rows:
        return "No run finished, so there is nothing to read."
    names = {row["cell"]: f"{row['method']}, α = {brief(row['alpha'])}" for row in as_rows(table)}
    points = [_point(label, row, names) for label, row in rows]
    return "\n".join([_caution([row["n"] for _, row in rows]), "", *points])


def _caution(counts: list[int]) -> str:
    """What numbers of seeds like these can tell."""
    few = sorted({n for n in counts if n < VERDICT_SEEDS})
    sentences = []
    if few:
        sentences += [
            f"With n = {' or '.join(map(str, few))} these numbers explore and decide nothing.",
            f"An interval that includes 0 calls for more seeds ({VERDICT_SEEDS} at the least, better 10);",
            "it does not show that there is no effect.",
        ]
    if len(few) < len(set(counts)):
        sentences += [
            f"“Supported” means a Holm-adjusted p below {LEVEL}.",
            "“Inconclusive” does not mean equal: that would take a margin stated beforehand.",
        ]
    return " ".join(sentences)


def _point(label: str, row: Row, names: dict[str, str]) -> str:
    """The chosen row in words: what it is compared with, its confidence, and one line a claim."""
    head = f"- **{label}, α = {brief(row['alpha'])}**"
    tail = _confidence(row["test_confidence_gap_mean"])
    if row["method"] != "none" and row["alpha"] > 0:
        tail += f" The differences are those of {row['method']} and smoothing together."
    if row["n_failed"]:
        tail += f" {row['n_failed']} more of its runs did not finish and are in no mean."
    if row["baseline"] == row["cell"]:
        return f"{head} is the baseline itself.{tail}"
    if not row["baseline"]:
        return f"{head}: no baseline was run, so there is no difference to judge.{tail}"
    against = f"{head} against {names[row['baseline']]}, n = {row['test_accuracy_diff_n']}.{tail}"
    return "\n".join([against, *(_claim(row, claim) for claim in CLAIMS)])


def _confidence(gap: float) -> str:
    if math.isnan(gap):
        return ""
    return (
        f" As trained it is {'over' if gap > 0 else 'under'}-confident by {number(abs(gap), 2, 100)} points."
    )


def _claim(row: Row, claim: Claim) -> str:
    words, metric, unit, scale, digits = claim
    low, high, p = row[f"{metric}_diff_low"], row[f"{metric}_diff_high"], row[f"{metric}_p_holm"]
    effect = f"  - {words}: {number(row[f'{metric}_diff'], digits, scale, sign=True)}{unit}"
    if math.isnan(low):
        return f"{effect}; no interval: more seeds needed"
    effect += f" [{number(low, digits, scale, sign=True)}, {number(high, digits, scale, sign=True)}]"
    if row[f"{metric}_diff_n"] < VERDICT_SEEDS:
        return effect + ("; more seeds needed" if low <= 0 <= high else "; the interval leaves out 0")
    direction = "higher" if row[f"{metric}_diff"] > 0 else "lower"
    verdict = f"{direction}: supported" if p < LEVEL else "inconclusive"
    return f"{effect}; {verdict}, p (Holm) {probability(p)}"
