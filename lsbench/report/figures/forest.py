"""The effects of all claims in one panel, each with its interval: a forest plot.

They have units of their own, so each is divided by its claim's margin, and turned so that the right is the
way of the claim.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsbench.analysis.findings import Finding
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number
from lsbench.report.claim_wording import said, title
from lsbench.report.figures.marks import GREY, LineStyle
from lsbench.report.figures.spec import FigureSpec, Panel

if TYPE_CHECKING:
    import pandas as pd

WIDTH, ROW, AROUND = 320, 27, 70  # points: of the panel, of a claim in it, and above and below all claims
# Of Okabe and Ito (2008), by shape and filling too; the signs of the page's verdict words.
LOOKS = {
    "supported": ("#009E73", "^", False),
    "refuted": ("#D55E00", "v", False),
    "equivalent": ("#0072B2", "s", False),
    "inconclusive": (GREY, "o", True),
}
CAPTION = (
    "The deciding comparison of each claim, in its margin, with its 95 % interval. To the right of 0 is what "
    "the claim says, to the left the opposite; within the band, a margin to either side, a difference counts "
    "as none. The scale is linear within the band and logarithmic outside. What a step costs has a bound "
    "instead of a margin: that claim is supported where the whole interval is right of the band's left edge."
)


def forest(judged: Mapping[str, Sequence[Finding]], runs: "pd.DataFrame") -> FigureSpec | None:
    """The figure of the deciding findings that have a number; None where there are none."""
    import pandas as pd

    found = {name: group[0] for name, group in judged.items() if group[0].n and group[0].margin > 0}
    if not found:
        return None
    rows = pd.DataFrame(
        [
            {"said": said(finding), "label": title(all_claims()[name].words), "place": place}
            | dict(zip(("effect", "low", "high"), in_margins(finding), strict=True))
            for place, (name, finding) in enumerate(found.items())
        ]
    )
    drawn = tuple((_mark(word, finding), rows[rows["said"] == word]) for word, finding in _words(found))
    pair = "; ".join(
        f"{data}, {model}" for data, model in dict.fromkeys(zip(runs["data"], runs["model"], strict=True))
    )
    alt = " ".join(_in_words(row) for row in rows.to_dict("records"))
    size = (WIDTH, AROUND + ROW * len(rows))
    panel = Panel("Against the claim, and for it", "forest", drawn)
    legend = tuple(mark for mark, _ in drawn)
    return FigureSpec("claims", "claims", pair, "Effects in margins", (panel,), legend, CAPTION, alt, size)


def in_margins(finding: Finding) -> tuple[float, float, float]:
    """Effect and interval over the margin, above 0 the way of the claim."""
    ends = (end * finding.better / finding.margin for end in (finding.low, finding.high))
    low, high = sorted(ends)
    return finding.effect * finding.better / finding.margin, low, high


def _words(found: Mapping[str, Finding]) -> list[tuple[str, Finding]]:
    """Each word that is said of some finding, once, in the order of `LOOKS`."""
    order = list(LOOKS)
    by_word = {said(finding): finding for finding in found.values()}
    return sorted(by_word.items(), key=lambda item: (order.index(item[1].verdict), item[0]))


def _mark(word: str, finding: Finding) -> LineStyle:
    colour, marker, hollow = LOOKS[finding.verdict]
    return LineStyle(word, colour, marker, hollow=hollow or finding.exploratory)


def _in_words(row: Mapping[Any, Any]) -> str:
    effect, low, high = (number(row[name], 1, sign=True) for name in ("effect", "low", "high"))
    interval = "" if DASH in (low, high) else f" ({low} to {high})"
    return f"{row['label']}: {row['said']}, {effect}{interval} margins."
