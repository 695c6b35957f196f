"""Sequential decisions in reports: lines for the terminal, a section of the page, and its figure."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lsbench.analysis.decisions import HOPELESS, OPEN, UNSETTLED, Decision, Look, Outcome
from lsbench.analysis.sequential import LEVEL
from lsbench.formatting import count, format_setting
from lsbench.report import document as doc
from lsbench.report.figures.spec import FigureSpec, OverPairs, line_style

TITLE = "The decision"
KIND = "decision"  # of its figure
MEANINGS = {
    "supported": "smoothing is better",
    "refuted": "smoothing is worse",
    "equivalent": "the difference is within the margin",
    HOPELESS: "more seeds would hardly settle it: the test images' part of the interval stays",
    UNSETTLED: "the budget is spent",
    OPEN: "another look is needed",
}
CAPTION = (
    "The difference between runs with and without smoothing at each look, with the interval that is valid "
    "there, for new images. The band is the margin: a question is settled when its interval excludes 0 or "
    "lies within the band."
)


def look_line(decision: Decision, pairs: int) -> str:
    """A line for the look at this number of pairs."""
    parts = [
        f"{outcome.question.words} {_estimate(outcome, look)}: {look.state}"
        for outcome in decision.outcomes
        for look in outcome.looks
        if look.pairs == pairs
    ]
    return f"{count(pairs, 'pair')}: {'; '.join(parts)}"


def lines(decision: Decision) -> list[str]:
    """The verdict of each question, and what it cost."""
    verdicts = [f"{outcome.question.words}: {_verdict(outcome)}" for outcome in decision.outcomes]
    return [*verdicts, _cost(decision)]


def section(decision: Decision, figure: FigureSpec | None, caution: str) -> doc.Section:
    """The verdicts and what they cost, the plan, every look, and a ``caution`` about the rest of the page."""
    pairs = sorted({look.pairs for outcome in decision.outcomes for look in outcome.looks})
    header = ["pairs", *(outcome.question.words for outcome in decision.outcomes)]
    rows = [[str(number), *(_at(outcome, number) for outcome in decision.outcomes)] for number in pairs]
    return doc.Section(
        TITLE,
        (
            doc.Lead(tuple(lines(decision))),
            *([doc.FigureRef(figure)] if figure else []),
            doc.Prose(_plan(decision)),
            doc.Table("Looks", header, rows),
            *([doc.Prose(caution)] if caution else []),
        ),
    )


def figure(decision: Decision, part: str) -> FigureSpec | None:
    """The path of each question's estimate over the looks; None if none has an interval."""
    shown = [outcome for outcome in decision.outcomes if len(_path(outcome))]
    if not shown:
        return None
    style = line_style(1, "difference, with the interval valid at the look")
    panels = tuple(
        OverPairs(
            f"{outcome.question.words},{outcome.question.unit.name}",
            ((style, _path(outcome)),),
            outcome.question.margin * outcome.question.unit.scale,
        )
        for outcome in shown
    )
    alt = " ".join(
        f"{outcome.question.words}: "
        + "; ".join(f"{look.pairs} pairs {_estimate(outcome, look)}" for look in outcome.looks)
        + f", {outcome.state}."
        for outcome in shown
    )
    return FigureSpec(KIND, KIND, part, "Look by look", panels, (style,), CAPTION, alt)


def describe(decision: Decision) -> dict[str, Any]:
    """The plan, the runs spent, and each question with its looks, for JSON."""
    protocol = decision.protocol
    return {
        "alpha": protocol.alpha,
        "looks": protocol.looks,
        "levels": protocol.levels,
        "changed": protocol.changed,
        "runs": decision.runs,
        "runs_of_a_fixed_design": 2 * protocol.fixed_pairs,
        "questions": [
            {
                "metric": outcome.question.metric,
                "state": outcome.state,
                "looks": [
                    {
                        "pairs": look.pairs,
                        "effect": look.difference.diff,
                        "low": look.low,
                        "high": look.high,
                        "state": look.state,
                    }
                    for look in outcome.looks
                ],
            }
            for outcome in decision.outcomes
        ],
    }


def _path(outcome: Outcome) -> pd.DataFrame:
    """The looks in the unit that is shown, without those that have no interval."""
    scale = outcome.question.unit.scale
    rows = [(look.pairs, look.difference.diff * scale, look.half_width * scale) for look in outcome.looks]
    return pd.DataFrame(rows, columns=["pairs", "effect", "half"]).dropna(ignore_index=True)


def _plan(decision: Decision) -> str:
    protocol = decision.protocol
    questions = _listed([outcome.question.words for outcome in decision.outcomes])
    plan = (
        f"Before the first run it was fixed that α = {format_setting(protocol.alpha)} is compared with α = 0 "
        f"in {questions} after {_listed(protocol.looks)} pairs of seeds. The interval of a look is wide "
        f"enough that all looks at all questions together err in at most {100 * LEVEL:g} % "
        "(O'Brien–Fleming-like levels), and holds for new images. A question is settled when its interval "
        "excludes 0 or lies within the margin."
    )
    if protocol.changed:
        plan += (
            f" The plan was changed {count(len(protocol.changed), 'time')} after it had been begun. The "
            "looks before are not accounted for, so the error may be larger."
        )
    return plan


def _at(outcome: Outcome, pairs: int) -> str:
    look = next((look for look in outcome.looks if look.pairs == pairs), None)
    return f"{_estimate(outcome, look)}, {look.state}" if look else "settled before"


def _verdict(outcome: Outcome) -> str:
    if not outcome.looks:
        return "no look yet"
    look = outcome.looks[-1]
    meaning = MEANINGS[look.state]
    return f"{look.state} ({meaning}), {_estimate(outcome, look)} after {count(look.pairs, 'pair')}"


def _estimate(outcome: Outcome, look: Look) -> str:
    unit = outcome.question.unit
    values = (look.difference.diff, look.low, look.high)
    effect, low, high = (unit.number(value, sign=True) for value in values)
    return f"{effect} [{low}, {high}]{unit.name}"


def _cost(decision: Decision) -> str:
    protocol = decision.protocol
    return (
        f"{decision.runs} runs were spent, of at most {2 * protocol.looks[-1]}. A fixed design of the same "
        f"power spends {2 * protocol.fixed_pairs}."
    )


def _listed(items: Sequence[object]) -> str:
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
