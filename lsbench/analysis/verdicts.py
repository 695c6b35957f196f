"""What the paired differences of a table come to: supported, refuted, equivalent or inconclusive.

- supported, refuted: the difference from what a cell is compared with is not 0, by a two-sided paired t-test
  whose p is below 5 % after Holm's correction, and is for the better or for the worse.
- equivalent: it lies within ± a margin that was stated beforehand, by two one-sided tests (TOST, Schuirmann
  1987) at 5 % after Holm's correction. A difference that is not 0 and within the margin all the same is
  equivalent: the margin is the least difference that anybody would act on.
- inconclusive: neither was shown. That is no evidence of equality.

Below `VERDICT_SEEDS` pairs the word is exploratory: it says what the numbers point to, and is never to be
shown without saying so (`Verdict.said`). At n = 5 no test by signs or ranks could go below 0.0625, and the
t-test rests on a spread estimated from five numbers.

Multiplicity: the comparisons of one table in one metric are a family, of all cells and not of the chosen ones
alone. Holm's correction is taken over the differences of a family, and by itself over its equivalences. So
the chance of any wrong supported or refuted in a family is at most 5 %, and so is that of any wrong
equivalent. One comparison can be wrong in one of the two ways only, for it can't both be 0 and beyond
the margin. Metrics are families of their own: they answer different questions, and each p is printed.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from lsbench.analysis.baselines import Row, as_rows
from lsbench.analysis.selection import choice_groups, chosen
from lsbench.analysis.stats import Paired, equivalence, holm
from lsbench.formatting import format_setting

VERDICT_SEEDS = 8  # below it a verdict is exploratory; 10 or more are better
LEVEL = 0.05

# The margins: differences below them nobody would act on. They come from published results and from the size
# of test sets, not from the runs that they judge.
# Accuracy, 0.2 points: 20 of 10,000 test images, about what such a test set resolves (its standard error is
# 0.14 points at 98 %), and less than what is published as a gain: 0.25 points on MNIST (re-labelsmoothing),
# 0.6 on CIFAR-100 (Müller et al. 2019). The 0.1 points that the latter lose on CIFAR-10 are within it.
ACCURACY_MARGIN = 0.002
# ECE, 0.5 points: the noise floor of 10,000 test images is 0.4 to 1.1 points.
ECE_MARGIN = 0.005
# NLL, 0.005 nats: the probability given to the true class changes by half a per cent (geometric mean).
NLL_MARGIN = 0.005


@dataclass(frozen=True)
class Judgement:
    """A paired difference judged: its mean and 95 % t-interval in the metric's unit, the number of pairs, the
    p of no difference, the margin and the word; the p of a difference beyond the margin, the differences'
    standard deviation, and whether there are too few of them to be more than exploratory."""

    effect: float
    low: float
    high: float
    n: int
    p: float
    margin: float
    word: str
    p_equivalent: float
    sd: float
    exploratory: bool


@dataclass(frozen=True)
class Verdict(Judgement):
    """A cell compared with ``against`` in one respect. ``p`` and ``p_equivalent`` are adjusted by Holm's
    method; ``metric`` begins the summary's columns that it is read from; ``chosen`` marks the α and strength
    that the select split recommends for its method; ``family`` counts the comparisons that Holm's correction
    is taken over."""

    label: str
    alpha: float
    against: str
    words: str
    metric: str
    chosen: bool
    family: int
    cell: str

    @property
    def said(self) -> str:
        """The word as it may be shown."""
        return verdict_label(self.word, self.exploratory)


@dataclass(frozen=True)
class Question:
    """What is asked of every cell: ``better`` is the sign of an improvement; ``rival`` asks it against the
    same cell without smoothing after temperature scaling, instead of against the baseline."""

    words: str
    metric: str
    better: int
    margin: float
    rival: bool = False


QUESTIONS = (
    Question("accuracy", "test_accuracy", 1, ACCURACY_MARGIN),
    Question("ECE as trained", "test_ece", -1, ECE_MARGIN),
    Question("ECE after scaling", "test_ece_ts", -1, ECE_MARGIN),
    Question("NLL after scaling", "test_nll_ts", -1, NLL_MARGIN),
    Question("ECE as trained", "test_ece_vs_ts", -1, ECE_MARGIN, rival=True),
    Question("ECE after scaling", "test_ece_ts_vs_ts", -1, ECE_MARGIN, rival=True),
)


def judge(
    found: Paired,
    margin: float,
    better: int,
    p_adjusted: float | None = None,
    p_equivalent_adjusted: float | None = None,
) -> Judgement:
    """The paired differences ``found``; ``better`` is +1 where higher is better, else −1.

    The adjusted p stand in for those of this comparison alone where it is one of several.
    Raises `ValueError` on no margin.
    """
    diff, low, high, p, n, sd = found
    p = p if p_adjusted is None else p_adjusted
    within = equivalence(found, margin) if p_equivalent_adjusted is None else p_equivalent_adjusted
    if within < LEVEL:  # False for NaN
        word = "equivalent"
    elif p < LEVEL:
        word = "supported" if diff * better > 0 else "refuted"
    else:
        word = "inconclusive"
    return Judgement(diff, low, high, n, p, margin, word, within, sd, n < VERDICT_SEEDS)


def verdicts(table: pd.DataFrame, labels: Mapping[str, str]) -> list[Verdict]:
    """Every comparison of ``table``, the summary's rows of one data set and model: cell by cell in the
    table's order, and of a cell in the order of `QUESTIONS`. ``labels`` are those of the cells. A cell that
    is compared with nothing, or with itself, has none."""
    rows = as_rows(table)
    names = {row["cell"]: f"{labels[row['cell']]}, α = {format_setting(row['alpha'])}" for row in rows}
    best = {row["cell"] for _, _, cells in choice_groups(table) if (row := chosen(cells))}
    order = {cell: place for place, cell in enumerate(names)}
    found = [
        Verdict(
            label=labels[row["cell"]],
            alpha=row["alpha"],
            against=names[other] + (", after temperature scaling" if question.rival else ""),
            words=question.words,
            metric=question.metric,
            chosen=row["cell"] in best,
            family=family,
            cell=row["cell"],
            **vars(judgement),
        )
        for question in QUESTIONS
        for row, other, family, judgement in _family(rows, question)
    ]
    return sorted(found, key=lambda verdict: order[verdict.cell])  # stable: questions stay in order


def verdict_label(word: str, exploratory: bool) -> str:
    """A verdict's word as it may be shown: never without saying that it is exploratory, where it is."""
    return f"exploratory: {word}" if exploratory and word != "inconclusive" else word


def _family(rows: list[Row], question: Question) -> Iterator[tuple[Row, str, int, Judgement]]:
    """The comparisons that one correction is taken over: (row, the cell it is compared with, their number,
    judgement)."""
    asked = [(row, row["unsmoothed" if question.rival else "baseline"]) for row in rows]
    asked = [(row, other) for row, other in asked if other not in ("", row["cell"])]
    found = [_found(row, question.metric) for row, _ in asked]
    family = sum(not math.isnan(pair.p) for pair in found)
    within = holm([equivalence(pair, question.margin) for pair in found])
    for (row, other), pair, p_equivalent in zip(asked, found, within, strict=True):
        if question.metric == "test_ece_ts_vs_ts" and row["baseline"] == other:
            continue  # asked already, of the baseline
        p = row[f"{question.metric}_p_holm"]
        yield row, other, family, judge(pair, question.margin, question.better, p, p_equivalent)


def _found(row: Row, metric: str) -> Paired:
    diff, low, high, sd, n = (row[f"{metric}_diff{name}"] for name in ("", "_low", "_high", "_sd", "_n"))
    return Paired(diff, low, high, row[f"{metric}_p"], int(n), sd)
