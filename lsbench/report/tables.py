"""Tables of numbers and verdicts, and verdicts as sentences."""

import math
from collections.abc import Iterable, Sequence

from lsbench.analysis.columns import CONVENTION, PLAIN, SCALING, SMOOTHING, Row, paired_columns
from lsbench.analysis.stats import detectable, half_width, with_pairs
from lsbench.analysis.verdicts import LEVEL, QUESTIONS, Judged
from lsbench.formatting import DASH, POINTS, format_setting, plus_minus, probability

Table = tuple[list[str], list[list[str]]]

AGAINST = {
    SMOOTHING: "",
    PLAIN: ", against plain training",
    CONVENTION: ", against uniform",
    SCALING: ", against T alone",
}
SEEDS = (8, 10, 20)  # numbers of seeds in a power table
POWER_TITLE = "What more seeds would show"
POWER_NOTE = (
    "Half the width of the 95 % interval for new images and, in brackets, the true difference that a test "
    "would detect with 80 % power, for n seeds and the variance so far, a rough estimate if seeds are few. "
    "The part of the variance that comes from the test images stays however many seeds there are. The test "
    "level is 5 % divided by the number of comparisons, the strictest that Holm's correction applies."
)


def mean_ci(row: Row, metric: str, digits: int, scale: float = 1) -> str:
    """The mean of a metric ± half the width of its interval."""
    mean = row[f"{metric}_mean"]
    return plus_minus(mean, row[f"{metric}_high"] - mean, digits, scale)


def floor(row: Row, scaled: str) -> float:
    """The mean noise floor of ECE as a fraction, NaN if no run was measured; ``scaled`` is "_ts" for the
    floor after temperature scaling, else empty."""
    return float(row.get(f"test_ece_floor{scaled}_mean", math.nan))


def difference(row: Row, metric: str, kind: str = PLAIN) -> str:
    """Δ [low, high] of a fraction, in percentage points."""
    if kind == PLAIN and row["baseline"] == row["cell"]:
        return "baseline"
    names = paired_columns(metric, kind)
    diff, low, high = (POINTS.number(row[names[field]], sign=True) for field in ("diff", "low", "high"))
    return diff if low == DASH else f"{diff} [{low}, {high}]"


def sentence(judged: Judged) -> str:
    """A verdict in words: effect, interval, the word, and the p that decides it."""
    text = f"{judged.words}: {judged.unit.write(judged.effect, sign=True)}"
    if judged.n < 2:
        return f"{text}; no interval: more seeds needed"
    if not math.isnan(judged.low):
        low, high = (judged.unit.number(end, sign=True) for end in (judged.low, judged.high))
        text += f" [{low}, {high}]"
    p_holm = f"p (Holm) {p_text(judged.p_holm, judged)}"
    if judged.word != "equivalent":
        meaning = {"supported": " (better)", "refuted": " (worse)"}.get(judged.word, "")
        return f"{text}; {judged.verdict_label}{meaning}, {p_holm}"
    text += f"; {judged.verdict_label} within ±{judged.unit.write(judged.margin)}"
    text += f", p (TOST, Holm) {p_text(judged.p_tost_holm, judged)}"
    return f"{text}; it differs from 0, {p_holm}" if judged.p_holm < LEVEL else text


def word_table(verdicts: Sequence[Judged]) -> Table:
    """Header and rows: the words of ``verdicts``, a row per cell and a column per comparison and metric."""
    by_question = {(judged.cell, judged.kind, judged.metric): judged for judged in verdicts}
    cells = {judged.cell: judged for judged in verdicts}.values()
    titles = {(judged.kind, judged.metric): f"{judged.words}{AGAINST[judged.kind]}" for judged in verdicts}
    rows = []
    for cell in cells:
        of_cell = [by_question.get((cell.cell, *question)) for question in titles]
        labels = [judged.verdict_label if judged else DASH for judged in of_cell]
        rows.append([cell.label, format_setting(cell.alpha), *labels])
    return ["method", "α", *titles.values()], rows


def full_table(verdicts: Sequence[Judged]) -> Table:
    """Header and rows: every number that a verdict depends on, a row per comparison, the verdict last."""
    columns = {
        "method": [judged.label for judged in verdicts],
        "α": [format_setting(judged.alpha) for judged in verdicts],
        "against": [judged.against for judged in verdicts],
        "metric": [f"{judged.words},{judged.unit.name}" for judged in verdicts],
        "difference": [judged.unit.number(judged.effect, sign=True) for judged in verdicts],
        "95 % interval": [interval(judged) for judged in verdicts],
        "holds for": [judged.target if judged.n > 1 else DASH for judged in verdicts],
        "interval for this test set": [_between(judged, *judged.same_rows) for judged in verdicts],
        "n": [str(judged.n) for judged in verdicts],
        "other way": [_other_way(judged) for judged in verdicts],
        "p (Holm)": [p_text(judged.p_holm, judged) for judged in verdicts],
        "margin": [f"±{judged.unit.number(judged.margin)}" for judged in verdicts],
        "p (TOST, Holm)": [p_text(judged.p_tost_holm, judged) for judged in verdicts],
        "verdict": [judged.verdict_label for judged in verdicts],
    }
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def p_text(p: float, judged: Judged) -> str:
    """A p of a comparison, with the number of looks if there were several."""
    text = probability(p)
    return f"{text}, {judged.looks} looks" if judged.looks > 1 and text != DASH else text


def _other_way(judged: Judged) -> str:
    """The number of single pairs that point the other way."""
    return DASH if math.isnan(judged.wrong_way) else f"{judged.wrong_way * judged.n:.0f} of {judged.n}"


def with_interval(judged: Judged) -> str:
    """effect [low, high], or the effect alone if it has no interval."""
    values = (judged.effect, judged.low, judged.high)
    effect, low, high = (judged.unit.number(value, sign=True) for value in values)
    return effect if low == DASH else f"{effect} [{low}, {high}]"


def interval(judged: Judged) -> str:
    """low to high in the comparison's unit, or a dash."""
    return _between(judged, judged.low, judged.high)


def _between(judged: Judged, low: float, high: float) -> str:
    ends = [judged.unit.number(end, sign=True) for end in (low, high)]
    return DASH if DASH in ends else " to ".join(ends)


def power_table(titles: Sequence[str], comparisons: Iterable[tuple[Sequence[str], Judged]]) -> Table:
    """Header and rows: for each comparison whose verdict is exploratory or inconclusive, half the width of
    its interval now and with more seeds. ``titles`` are those of the columns that name a comparison. No rows
    if more seeds would show nothing new."""
    open_comparisons = [(names, judged) for names, judged in comparisons if _is_open(judged)]
    counts = [n for n in SEEDS if any(judged.n < n for _, judged in open_comparisons)]
    rows = [
        [
            *names,
            str(judged.n),
            judged.unit.write(half_width(judged.se, judged.df)),
            *(_power(judged, n) if judged.n < n else DASH for n in counts),
        ]
        for names, judged in open_comparisons
    ]
    return [*titles, "n", "± now", *(f"n = {n}" for n in counts)], rows


def _is_open(judged: Judged) -> bool:
    """True if more seeds might decide the comparison, which is not so if there is another reason."""
    if judged.word == "inconclusive" and judged.meaning:
        return False
    undecided = judged.exploratory or judged.word == "inconclusive"
    return undecided and judged.sd > 0 and judged.n < SEEDS[-1]


def _power(judged: Judged, n: int) -> str:
    se, df = with_pairs(judged.sd, judged.rows_se, n)
    difference = detectable(se, df, level=LEVEL / judged.family)
    return f"{judged.unit.number(half_width(se, df))} ({judged.unit.number(difference)})"


def margins() -> str:
    """The margins of equivalence, in words."""
    shown = {q.words.partition(" ")[0]: f"±{q.margin * q.unit.scale:g}{q.unit.name}" for q in QUESTIONS}
    return ", ".join(f"{name} {margin}" for name, margin in shown.items())
