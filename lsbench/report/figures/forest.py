"""Forest plot: the effects of all claims in one panel, each with its interval.

The effects have different units, so each is divided by its claim's margin, with the sign that makes effects
in favour of the claim positive.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lsbench.analysis.findings import Findings
from lsbench.analysis.verdicts import Judged
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number
from lsbench.report.claim_wording import title
from lsbench.report.figures.spec import FigureSpec, Forest
from lsbench.report.figures.verdict_styles import verdict_styles
from lsbench.report.tables import with_interval

KIND = "claims"
WIDTH = 330  # of the panel, in points
ROW = 27  # height of a claim
AROUND = 70  # height above and below all claims
CAPTION = (
    "The deciding comparison of each claim, with its 95 % interval in its own unit at the right. So that all "
    "share an axis, each is divided by its margin, the difference that is too small to matter: within the "
    "band a difference counts as none. Effects to the right of 0 agree with the claim, those to the left "
    "contradict it. The scale is linear within the band and logarithmic outside. "
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
        number = f"{with_interval(judged)}{judged.unit.name}"
        rows.append(row | {"effect": effect, "low": low, "high": high, "number": number})
    table = pd.DataFrame(rows)
    styles = verdict_styles(deciding.values())
    series = tuple((style, table[table["verdict"] == style.label]) for style in styles)
    pairs = dict.fromkeys(zip(runs["data"], runs["model"], strict=True))
    part = "; ".join(f"{data}, {model}" for data, model in pairs)
    panel = Forest("Against the claim, and for it", series)
    alt = " ".join(_in_words(row) for row in rows)
    size = (WIDTH, AROUND + ROW * len(rows))
    return FigureSpec(KIND, KIND, part, "Effects of the claims", (panel,), styles, CAPTION, alt, size)


def in_margins(judged: Judged) -> tuple[float, float, float]:
    """Effect and interval divided by the margin, positive in favour of the claim."""
    low, high = sorted(bound * judged.better / judged.margin for bound in (judged.low, judged.high))
    return judged.effect * judged.better / judged.margin, low, high


def _in_words(row: Mapping[str, Any]) -> str:
    effect, low, high = (number(row[name], 1, sign=True) for name in ("effect", "low", "high"))
    interval = "" if DASH in (low, high) else f" ({low} to {high})"
    return f"{row['label']}: {row['verdict']}, {effect}{interval} margins."
