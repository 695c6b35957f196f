"""Verdicts on paired differences: supported, refuted, equivalent or inconclusive.

- supported, refuted: the difference is not 0, by a two-sided paired t-test whose p is below 5 % after Holm's
  correction, and is an improvement or a deterioration.
- equivalent: the difference lies within ± a margin that was fixed in advance, by two one-sided tests (TOST,
  Schuirmann 1987) at 5 % after Holm's correction. A difference that is not 0 and yet within the margin is
  equivalent: nobody would act on a smaller difference than the margin.
- inconclusive: neither was shown. That is not evidence of equality.

Below `VERDICT_SEEDS` pairs a verdict is exploratory and is always shown as such (`Judged.verdict_label`): at
n = 5 no test by signs or ranks can reach a p below 0.0625, and the t-test relies on a standard deviation
estimated from five numbers.

Multiplicity: the comparisons of one table in one metric are a family, with all cells and not only the chosen
ones. Holm's correction is applied to the differences of a family and, separately, to its equivalences. So the
chance of any wrong supported or refuted in a family is at most 5 %, and so is that of any wrong equivalent. A
single comparison can be wrong in only one of the two ways, since the true difference can't be both 0 and
beyond the margin. Different metrics are different families: they answer different questions, and every p is
printed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lsbench.analysis.columns import P_TOST, P_TOST_HOLM, VERDICT, Row, as_rows, read_paired
from lsbench.analysis.selection import choice_groups, chosen
from lsbench.analysis.stats import Paired, equivalence, holm
from lsbench.formatting import NATS, POINTS, Unit, format_setting

NAN = math.nan
VERDICT_SEEDS = 8  # with fewer a verdict is exploratory; 10 or more are better
LEVEL = 0.05

# The margins: smaller differences have no practical importance. They come from published results and from the
# size of test sets, not from the runs that are judged.
# Accuracy, 0.2 points: 20 of 10,000 test images, about what such a test set resolves (its standard error is
# 0.14 points at 98 %), and less than what is published as a gain: 0.25 points on MNIST (re-labelsmoothing),
# 0.6 on CIFAR-100 (Müller et al. 2019). The loss of 0.1 points on CIFAR-10 in the latter is within it.
ACCURACY_MARGIN = 0.002
# ECE, 0.5 points: the noise floor of 10,000 test images is 0.4 to 1.1 points.
ECE_MARGIN = 0.005
# NLL, 0.005 nats: the probability of the true class changes by half a per cent (geometric mean).
NLL_MARGIN = 0.005


@dataclass(frozen=True)
class Judged:
    """A comparison and its verdict. NaN where a value does not exist.

    ``words`` name what is compared; ``effect`` is the mean of ``n`` paired differences in the metric's own
    unit, with its 95 % interval ``low`` to ``high`` and their standard deviation ``sd``; ``better`` is the
    sign of an improvement, or of what the claim says. ``p`` is that of no difference and ``p_tost`` that of a
    difference beyond ± ``margin``; each is adjusted over the ``family`` comparisons that have a p. ``unit``
    is for reading. ``meaning`` says what the verdict implies, or why there is none. ``bounded`` marks a
    measurement, whose margin is an upper bound.

    Of a cell: the ``label`` of its line, its ``alpha``, the ``metric`` that begins its columns of the
    summary, what it is compared ``against``, and whether it is ``chosen`` on the select split.
    """

    words: str
    word: str = "inconclusive"  # supported, refuted, equivalent, inconclusive, or failed
    effect: float = NAN
    low: float = NAN
    high: float = NAN
    n: int = 0
    p: float = NAN
    p_holm: float = NAN
    p_tost: float = NAN
    p_tost_holm: float = NAN
    sd: float = NAN
    margin: float = NAN
    better: int = 1
    unit: Unit = POINTS
    exploratory: bool = False
    meaning: str = ""
    bounded: bool = False
    family: int = 0
    label: str = ""
    alpha: float = NAN
    metric: str = ""
    against: str = ""
    chosen: bool = False
    cell: str = ""

    @property
    def verdict_label(self) -> str:
        """The word as it is shown: marked if it is exploratory."""
        exploratory = self.exploratory and self.word != "inconclusive"
        return f"exploratory: {self.word}" if exploratory else self.word


@dataclass(frozen=True)
class Question:
    """A comparison that is made for every cell; ``better`` is the sign of an improvement. Cells are compared
    with their baseline or, with ``rival``, with the cell without smoothing after temperature scaling."""

    words: str
    metric: str
    better: int
    margin: float
    unit: Unit = POINTS
    rival: bool = False


QUESTIONS = (
    Question("accuracy", "test_accuracy", 1, ACCURACY_MARGIN),
    Question("ECE as trained", "test_ece", -1, ECE_MARGIN),
    Question("ECE after scaling", "test_ece_ts", -1, ECE_MARGIN),
    Question("NLL after scaling", "test_nll_ts", -1, NLL_MARGIN, NATS),
    Question("ECE as trained", "test_ece_vs_ts", -1, ECE_MARGIN, rival=True),
    Question("ECE after scaling", "test_ece_ts_vs_ts", -1, ECE_MARGIN, rival=True),
)


def unjudged(words: str, pair: Paired, margin: float, better: int, unit: Unit = POINTS) -> Judged:
    """A paired difference before `judge_family`. Raises `ValueError` unless ``margin`` is above 0."""
    numbers = pair._asdict()
    effect, p_tost = numbers.pop("diff"), equivalence(pair, margin)
    return Judged(words, effect=effect, **numbers, p_tost=p_tost, margin=margin, better=better, unit=unit)


def judge_family(comparisons: Sequence[Judged]) -> list[Judged]:
    """The comparisons with their verdicts, each p adjusted by Holm's method over all of them."""
    p_holm = holm([judged.p for judged in comparisons])
    p_tost_holm = holm([judged.p_tost for judged in comparisons])
    family = sum(not math.isnan(p) for p in p_holm)
    return [
        replace(
            judged,
            word=_word(judged, different, equal),
            p_holm=different,
            p_tost_holm=equal,
            exploratory=judged.n < VERDICT_SEEDS,
            family=family,
        )
        for judged, different, equal in zip(comparisons, p_holm, p_tost_holm, strict=True)
    ]


def _word(judged: Judged, p_holm: float, p_tost_holm: float) -> str:
    if p_tost_holm < LEVEL:  # False for NaN
        return "equivalent"
    if p_holm < LEVEL:
        return "supported" if judged.effect * judged.better > 0 else "refuted"
    return "inconclusive"


def judge_cells(cells: pd.DataFrame, labels: Mapping[str, str]) -> list[Judged]:
    """Each of ``cells``, the rows of one data set and model, in each of `QUESTIONS`, in this order.

    ``against`` is empty where a cell has nothing to be compared with. ``labels`` are those of the cells.
    """
    rows = as_rows(cells)
    names = {row["cell"]: f"{labels[row['cell']]}, α = {format_setting(row['alpha'])}" for row in rows}
    best = {row["cell"] for _, _, group in choice_groups(cells) if (row := chosen(group))}
    families = [judge_family([_unjudged(row, question) for row in rows]) for question in QUESTIONS]
    comparisons = []
    for row, of_row in zip(rows, zip(*families, strict=True), strict=True):
        for question, judged in zip(QUESTIONS, of_row, strict=True):
            against = names.get(_other(row, question), "")
            if against and question.rival:
                against += ", after temperature scaling"
            label, is_chosen = labels[row["cell"]], row["cell"] in best
            comparisons.append(replace(judged, label=label, against=against, chosen=is_chosen))
    return comparisons


def verdict_columns(comparisons: Sequence[Judged]) -> dict[str, Row]:
    """The columns of the summary that `judge_cells` adds to each cell: for each of `QUESTIONS` the p of TOST,
    the same adjusted by Holm's method, and the verdict's label, empty if nothing is compared."""
    columns: dict[str, Row] = {judged.cell: {} for judged in comparisons}
    for judged in comparisons:
        columns[judged.cell] |= {
            f"{judged.metric}{P_TOST}": judged.p_tost,
            f"{judged.metric}{P_TOST_HOLM}": judged.p_tost_holm,
            f"{judged.metric}{VERDICT}": judged.verdict_label if judged.against else "",
        }
    return columns


def _unjudged(row: Row, question: Question) -> Judged:
    pair = read_paired(row, question.metric)
    judged = unjudged(question.words, pair, question.margin, question.better, question.unit)
    return replace(judged, alpha=row["alpha"], metric=question.metric, cell=row["cell"])


def _other(row: Row, question: Question) -> str:
    """The cell with which a row is compared; empty if there is none."""
    cell = str(row["unsmoothed" if question.rival else "baseline"])
    if cell == row["cell"]:
        return ""
    # After scaling, the cell without smoothing may be the baseline, with which the row is compared anyway.
    return "" if question.metric == "test_ece_ts_vs_ts" and cell == row["baseline"] else cell
