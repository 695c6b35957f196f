"""Verdicts on paired differences: supported, refuted, equivalent or inconclusive.

- supported, refuted: the difference is not 0, by a two-sided paired t-test whose p is below 5 % after Holm's
  correction, and is an improvement or a deterioration.
- equivalent: the difference lies within ± a margin that was fixed in advance, by two one-sided tests (TOST,
  Schuirmann 1987) at 5 % after Holm's correction. A difference that is not 0 and yet within the margin is
  equivalent: nobody would act on a smaller difference than the margin.
- inconclusive: neither was shown. That is not evidence of equality.

They hold for the ``target`` of a comparison: *new images* from the same source (crossed.py), or, where the
contributions of single rows are not stored, only for new seeds on *this test set*.

Below `VERDICT_SEEDS` pairs a verdict is exploratory and is always shown as such (`Judged.verdict_label`): at
n = 5 no test by signs or ranks can reach a p below 0.0625, and the t-test relies on a standard deviation
estimated from five numbers.

Multiplicity: the comparisons of one kind (columns.py) in one metric are a family, with all cells of a table
and not only the chosen ones. Holm's correction is applied to the differences of a family and, separately, to
its equivalences. So the chance of any wrong supported or refuted in a family is at most 5 %, and so is that
of any wrong equivalent. A single comparison can be wrong in only one of the two ways, since the true
difference can't be both 0 and beyond the margin. Different metrics and kinds are different families: they
answer different questions, and every p is printed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lsbench.analysis.columns import (
    KINDS,
    P_TOST,
    P_TOST_HOLM,
    PLAIN,
    SCALING,
    SMOOTHING,
    VERDICT,
    Row,
    stem,
)
from lsbench.analysis.differences import SCALED, Difference
from lsbench.analysis.selection import choice_groups, chosen
from lsbench.analysis.stats import Paired, equivalence, holm
from lsbench.formatting import NATS, POINTS, Unit, format_setting

NAN = math.nan
SCALED_WORDS = ", after temperature scaling"
NEW_IMAGES, THIS_TEST_SET = "new images", "this test set"
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

    ``se`` is the standard error of the effect, with its degrees of freedom ``df``; ``rows_se`` is the part of
    it that more seeds would not remove, NaN if the target is this test set. ``same_rows`` are the ends of the
    interval for this test set, of a cell. ``wrong_way`` is the share of single pairs that point the other way
    than the effect. ``looks`` counts the reports with growing numbers of seeds, this one included, for which
    p does not account.

    Of a cell: the ``label`` of its line, its ``alpha``, the ``metric``, the ``kind`` of comparison, the
    ``other`` cell and the words for it (``against``), and whether the cell is ``chosen`` on the select split.
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
    se: float = NAN
    df: float = NAN
    rows_se: float = NAN
    same_rows: tuple[float, float] = (NAN, NAN)
    wrong_way: float = NAN
    looks: int = 1
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
    kind: str = ""
    against: str = ""
    other: str = ""
    chosen: bool = False
    cell: str = ""

    @property
    def target(self) -> str:
        """The images that the effect's interval, p and verdict hold for."""
        return THIS_TEST_SET if math.isnan(self.rows_se) else NEW_IMAGES

    @property
    def verdict_label(self) -> str:
        """The word as it is shown: marked if it is exploratory."""
        exploratory = self.exploratory and self.word != "inconclusive"
        return f"exploratory: {self.word}" if exploratory else self.word


@dataclass(frozen=True)
class Question:
    """A metric in which cells are compared; ``better`` is the sign of an improvement."""

    words: str
    metric: str
    better: int
    margin: float
    unit: Unit = POINTS


QUESTIONS = (
    Question("accuracy", "test_accuracy", 1, ACCURACY_MARGIN),
    Question("ECE as trained", "test_ece", -1, ECE_MARGIN),
    Question("ECE after scaling", "test_ece_ts", -1, ECE_MARGIN),
    Question("NLL after scaling", "test_nll_ts", -1, NLL_MARGIN, NATS),
)
BY_METRIC = {question.metric: question for question in QUESTIONS}


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
            meaning=judged.meaning or _no_test(judged),
        )
        for judged, different, equal in zip(comparisons, p_holm, p_tost_holm, strict=True)
    ]


def _word(judged: Judged, p_holm: float, p_tost_holm: float) -> str:
    if p_tost_holm < LEVEL:  # False for NaN
        return "equivalent"
    if p_holm < LEVEL:
        return "supported" if judged.effect * judged.better > 0 else "refuted"
    return "inconclusive"


def _no_test(judged: Judged) -> str:
    """The reason why a comparison of several pairs has no p."""
    if judged.n < 2 or not math.isnan(judged.se):
        return ""
    if judged.effect == 0:
        return "the two are equal in every run, so nothing can be tested"
    return f"all {judged.n} differences are equal, so their spread is unknown"


def judge_cells(
    cells: pd.DataFrame, labels: Mapping[str, str], differences: Sequence[Difference]
) -> list[Judged]:
    """The ``differences`` in `QUESTIONS` between ``cells``, the rows of one data set and model, with their
    verdicts: by kind, in each by cell, and for each cell by question. ``labels`` are those of the cells."""
    alphas = dict(zip(cells["cell"], cells["alpha"], strict=True))
    names = {cell: f"{labels[cell]}, α = {format_setting(alpha)}" for cell, alpha in alphas.items()}
    best = {row["cell"] for _, _, group in choice_groups(cells) if (row := chosen(group))}
    families: dict[tuple[str, str], list[Judged]] = {}
    for difference in differences:
        if difference.metric in BY_METRIC:
            judged = replace(
                _unjudged(difference),
                label=labels[difference.cell],
                alpha=alphas[difference.cell],
                against=names[difference.other] + (SCALED_WORDS if difference.kind == SCALING else ""),
                chosen=difference.cell in best,
            )
            families.setdefault((difference.kind, difference.metric), []).append(judged)
    comparisons = [judged for family in families.values() for judged in judge_family(family)]
    order = {cell: index for index, cell in enumerate(cells["cell"])}
    metrics = list(BY_METRIC)
    return sorted(comparisons, key=lambda j: (KINDS.index(j.kind), order[j.cell], metrics.index(j.metric)))


def _unjudged(difference: Difference) -> Judged:
    question = BY_METRIC[difference.metric]
    judged = unjudged(question.words, difference.pair, question.margin, question.better, question.unit)
    return replace(
        judged,
        metric=difference.metric,
        kind=difference.kind,
        cell=difference.cell,
        other=difference.other,
        same_rows=(difference.test_set.low, difference.test_set.high),
        wrong_way=difference.wrong_way,
    )


def verdict_columns(cells: Iterable[str], comparisons: Sequence[Judged]) -> dict[str, Row]:
    """The columns of the summary that `judge_cells` adds to each of ``cells``: for each kind of comparison
    and metric the p of TOST, the same adjusted by Holm's method, and the verdict's label, empty where a cell
    is not compared."""
    asked = {(SMOOTHING, metric) for metric in BY_METRIC} | {(PLAIN, metric) for metric in BY_METRIC}
    asked |= {(SCALING, metric) for metric in SCALED} | {(j.kind, j.metric) for j in comparisons}
    ordered = [(kind, metric) for kind in KINDS for metric in BY_METRIC if (kind, metric) in asked]
    empty: Row = {}
    for kind, metric in ordered:
        empty |= _verdict_columns(Judged("", metric=metric, kind=kind), "")
    columns = {cell: dict(empty) for cell in cells}
    for judged in comparisons:
        columns[judged.cell] |= _verdict_columns(judged, judged.verdict_label)
    return columns


def _verdict_columns(judged: Judged, label: str) -> Row:
    start = stem(judged.metric, judged.kind)
    p = {f"{start}{P_TOST}": judged.p_tost, f"{start}{P_TOST_HOLM}": judged.p_tost_holm}
    return {**p, f"{start}{VERDICT}": label}
