"""Forest plot: the effects of all claims in one panel, each with its interval.

The effects have different units, so each is divided by its claim's margin, with the sign that makes effects
in favour of the claim positive.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lsbench.analysis.findings import Findings
from lsbench.analysis.verdicts import Judged
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number
from lsbench.report.claim_wording import title
from lsbench.report.figures.spec import GREY, FigureSpec, Forest, LineStyle

KIND = "claims"
WIDTH = 320  # of the panel, in points
ROW = 27  # height of a claim
AROUND = 70  # height above and below all claims
# Colours of Okabe and Ito (2008); shape and filling differ too, as the verdicts' signs on the page do.
LOOKS = {
    "supported": ("#009E73", "^", False),
    "refuted": ("#D55E00", "v", False),
    "equivalent": ("#0072B2", "s", False),
    "inconclusive": (GREY, "o", True),
}
CAPTION = (
    "The deciding comparison of each claim in units of its margin, with its 95 % interval. Effects to the "
    "right of 0 agree with the claim, those to the left contradict it. Within the band, one margin to "
    "either side, a difference counts as none. The scale is linear within the band and logarithmic outside. "
    "The cost of a step has a bound instead of a margin: that claim is supported if the whole interval is to "
    "the right of the band's left edge."
)


def forest(findings: Findings, runs: pd.DataFrame) -> FigureSpec | None:
    """The figure of the deciding comparisons that have numbers; None if none has."""
    deciding = {name: group[0] for name, group in findings.items() if group[0].n and group[0].margin > 0}
    if not deciding:
        return None
    rows = []
    for position, (name, judged) in enumerate(deciding.items()):
        effect, low, high = in_margins(judged)
        row = {
            "verdict": judged.verdict_label,
            "label": title(all_claims()[name].words),
            "position": position,
        }
        rows.append(row | {"effect": effect, "low": low, "high": high})
    table = pd.DataFrame(rows)
    styles = _styles(deciding.values())
    series = tuple((style, table[table["verdict"] == style.label]) for style in styles)
    pairs = dict.fromkeys(zip(runs["data"], runs["model"], strict=True))
    part = "; ".join(f"{data}, {model}" for data, model in pairs)
    panel = Forest("Against the claim, and for it", series)
    alt = " ".join(_in_words(row) for row in rows)
    size = (WIDTH, AROUND + ROW * len(rows))
    return FigureSpec(KIND, KIND, part, "Effects in margins", (panel,), styles, CAPTION, alt, size)


def in_margins(judged: Judged) -> tuple[float, float, float]:
    """Effect and interval divided by the margin, positive in favour of the claim."""
    low, high = sorted(bound * judged.better / judged.margin for bound in (judged.low, judged.high))
    return judged.effect * judged.better / judged.margin, low, high


def _styles(comparisons: Iterable[Judged]) -> tuple[LineStyle, ...]:
    """A style for each verdict that occurs, in the order of `LOOKS`."""
    order = list(LOOKS)
    by_label = {judged.verdict_label: judged for judged in comparisons}
    ordered = sorted(by_label.items(), key=lambda item: (order.index(item[1].word), item[0]))
    return tuple(_style(label, judged) for label, judged in ordered)


def _style(label: str, judged: Judged) -> LineStyle:
    colour, marker, hollow = LOOKS[judged.word]
    return LineStyle(label, colour, marker, hollow=hollow or judged.exploratory)


def _in_words(row: Mapping[str, Any]) -> str:
    effect, low, high = (number(row[name], 1, sign=True) for name in ("effect", "low", "high"))
    interval = "" if DASH in (low, high) else f" ({low} to {high})"
    return f"{row['label']}: {row['verdict']}, {effect}{interval} margins."
