"""Verdicts as text: a sentence each, a table of their words, and a table of what more seeds would buy."""

import math
from collections.abc import Sequence

from lsbench.analysis.stats import detectable, half_width
from lsbench.analysis.verdicts import LEVEL, QUESTIONS, Verdict
from lsbench.formatting import DASH, format_setting, number, probability

Table = tuple[list[str], list[list[str]]]

SEEDS = (8, 10, 20)  # numbers of seeds that a user may think of buying
MORE = (
    "Half the width of the 95 % interval and, in brackets, the true difference that a paired t-test would "
    "detect with 80 % power, for n seeds and the standard deviation so far, a rough estimate if seeds are "
    "few. The test level is 5 % divided by the number of comparisons, the strictest that Holm's correction "
    "applies. In percentage points; NLL in nats."
)


def sentence(verdict: Verdict) -> str:
    """A verdict in words: effect, interval, the word, and the p that decides it."""
    text = f"{verdict.words}: {_size(verdict, verdict.effect, sign=True)}{_unit(verdict)}"
    if verdict.n < 2:
        return f"{text}; no interval: more seeds needed"
    if not math.isnan(verdict.low):
        bounds = (_size(verdict, bound, sign=True) for bound in (verdict.low, verdict.high))
        text += f" [{', '.join(bounds)}]"
    different = f"p (Holm) {probability(verdict.p)}"
    if verdict.word != "equivalent":
        meaning = {"supported": " (better)", "refuted": " (worse)"}.get(verdict.word, "")
        return f"{text}; {verdict.said}{meaning}, {different}"
    margin = f"within ±{_size(verdict, verdict.margin)}{_unit(verdict)}"
    but = f"; it differs from 0, {different}" if verdict.p < LEVEL else ""
    return f"{text}; {verdict.said} {margin}, p (TOST, Holm) {probability(verdict.p_equivalent)}{but}"


def word_table(found: Sequence[Verdict]) -> Table:
    """Header and rows: the words of ``found``, a row a cell and a column a question."""
    asked = {(v.cell, v.metric): v for v in found}
    cells = {v.cell: v for v in found}.values()
    questions = [question for question in QUESTIONS if any(v.metric == question.metric for v in found)]
    titles = [f"{q.words}, against T alone" if q.rival else q.words for q in questions]
    rows = [
        [cell.label, format_setting(cell.alpha)]
        + [asked[key].said if (key := (cell.cell, q.metric)) in asked else DASH for q in questions]
        for cell in cells
    ]
    return ["method", "α", *titles], rows


def full_table(found: Sequence[Verdict]) -> Table:
    """Header and rows: every number that a verdict rests on, a row a comparison, the word at the end."""
    header = ["method", "α", "against", "what", "difference", "95 % interval", "n", "p (Holm)", "margin"]
    rows = [
        [
            *(v.label, format_setting(v.alpha), v.against, v.words + _unit(v).replace(" ", ", ")),
            _size(v, v.effect, sign=True),
            DASH if math.isnan(v.low) else f"{_size(v, v.low, sign=True)} to {_size(v, v.high, sign=True)}",
            *(str(v.n), probability(v.p), f"±{_size(v, v.margin)}", probability(v.p_equivalent), v.said),
        ]
        for v in found
    ]
    return [*header, "p (TOST, Holm)", "verdict"], rows


def more_seeds(found: Sequence[Verdict]) -> Table:
    """Header and rows: for each verdict that is exploratory or inconclusive, half the width of its interval
    now and what it would be with more seeds; no rows where nothing would be learnt."""
    unsettled = [
        v for v in found if (v.exploratory or v.word == "inconclusive") and v.sd > 0 and v.n < SEEDS[-1]
    ]
    counts = [n for n in SEEDS if any(v.n < n for v in unsettled)]
    rows = [
        [
            *(f"{v.label}, α = {format_setting(v.alpha)}: {v.words}", v.against),
            *(str(v.n), _size(v, half_width(v.sd, v.n))),
            *(_bought(v, n) if v.n < n else DASH for n in counts),
        ]
        for v in unsettled
    ]
    return ["comparison", "against", "n", "± now", *(f"n = {n}" for n in counts)], rows


def margins() -> str:
    """The margins of equivalence, in words."""
    shown = {
        question.words.partition(" ")[0]: f"±{question.margin:g} nats"
        if "nll" in question.metric
        else f"±{100 * question.margin:g} points"
        for question in QUESTIONS
    }
    return ", ".join(f"{name} {margin}" for name, margin in shown.items())


def _bought(verdict: Verdict, n: int) -> str:
    found = detectable(verdict.sd, n, level=LEVEL / verdict.family)
    return f"{_size(verdict, half_width(verdict.sd, n))} ({_size(verdict, found)})"


def _size(verdict: Verdict, value: float, *, sign: bool = False) -> str:
    return number(value, 4, sign=sign) if "nll" in verdict.metric else number(value, 2, 100, sign=sign)


def _unit(verdict: Verdict) -> str:
    return "" if "nll" in verdict.metric else " points"
