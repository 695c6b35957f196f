"""claims.html: all claims on one page, in the look of report.html and as self-contained."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lsbench.analysis.findings import Finding
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number
from lsbench.report import claims_more_seeds as more_seeds
from lsbench.report.claim_wording import (
    FULL_HEADER,
    HEADER,
    TITLE,
    cells,
    counted,
    explain,
    full_cells,
    reading,
    said,
    title,
)
from lsbench.report.figures.forest import in_margins
from lsbench.report.markdown import facts, left_out, prose, setup
from lsbench.report.page import markup
from lsbench.report.page.frame import anchor, document, figure, section

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.report.figures.spec import FigureSpec

BESIDE = "`claims.md`, `claims.csv`, `runs.csv`, `summary.csv` and the figure as a file"
ALL, HOW, OUT = "All claims", "How to read this page", "Runs that no mean contains"
SHADED = "The shaded comparison decides the claim."


def page(
    judged: Mapping[str, Sequence[Finding]],
    runs: "pd.DataFrame",
    summary: "pd.DataFrame",
    *,
    command: str,
    missing: Sequence[str],
    plates: "Sequence[FigureSpec]",
    drawn: Mapping[str, bytes],
) -> bytes:
    """The page. ``drawn`` holds the SVG of each plate by its name."""
    pairs = "; ".join(
        f"{row.data}, {row.model}" for row in summary[["data", "model"]].drop_duplicates().itertuples()
    )
    figures = "".join(figure(plate, drawn[plate.name]) for plate in plates)
    setting = "" if runs.empty else markup.prose(setup(summary))
    lost = left_out(runs, missing)
    parts = {
        ALL: setting + _overview(judged) + figures,
        **{title(all_claims()[name].words): _claim(name, group) for name, group in judged.items()},
        **_bought(judged),
        HOW: markup.prose(prose(reading(judged))),
        **({OUT: markup.table(["run", "status", "reason"], lost, OUT, fixed=False)} if lost else {}),
    }
    return document(
        kind="lsbench claims",
        title=f"{TITLE}: {pairs or 'no runs'}",
        facts=facts(runs, command, missing),
        contents=list(parts),
        sections=[section(name, content) for name, content in parts.items()],
        beside=BESIDE,
    )


def _bought(judged: Mapping[str, Sequence[Finding]]) -> dict[str, str]:
    header, rows = more_seeds.table(judged)
    if not rows:
        return {}
    shown = markup.table(header, rows, more_seeds.TITLE)
    return {more_seeds.TITLE: markup.prose(more_seeds.ABOUT) + shown}


def _overview(judged: Mapping[str, Sequence[Finding]]) -> str:
    """A row a claim, with a link to its section."""
    header = ["claim", *HEADER, "in margins"]
    rows = [
        [_link(name), *_marked(cells(group[0]), group[0]), _turned(group[0])]
        for name, group in judged.items()
    ]
    return markup.table(header, rows, ALL, raw=(0, 1))


def _link(name: str) -> str:
    words = all_claims()[name].words
    return f'<a href="#{anchor(title(words))}">{escape(words)}</a>'


def _marked(texts: Sequence[str], finding: Finding) -> list[str]:
    """Cells whose first, the verdict, is HTML."""
    return [_verdict(finding), *texts[1:]]


def _verdict(finding: Finding) -> str:
    return markup.verdict(said(finding)) + (f": {escape(finding.meaning)}" if finding.meaning else "")


def _turned(finding: Finding) -> str:
    """The effect in margins, above 0 where it goes the way of the claim."""
    return number(in_margins(finding)[0], 1, sign=True) if finding.margin > 0 else DASH


def _claim(name: str, group: Sequence[Finding]) -> str:
    """What was asked and found: the verdict, its numbers and its meaning, then every comparison."""
    claim, first = all_claims()[name], group[0]
    _, size, interval, _, p, margin = cells(first)
    numbers = [size if interval == DASH else f"{size}, 95 % interval {interval}"]
    numbers += [counted(first.n, "round" if first.bounded else "seed")]
    numbers += ["no p" if p == DASH else f"p, adjusted by Holm's method, {p}"]
    numbers += [f"{'bound' if first.bounded else 'margin'} {margin}{first.unit.name}"]
    told = {
        "That is": explain(first),
        **({"Decided by": first.words, "Effect": "; ".join(numbers)} if first.n else {}),
        "Measured here": claim.measured,
        "Claimed or measured by": claim.source,
        "By itself": f"lsbench claims {name}",
    }
    rows = [[words, *_marked(rest, finding)] for finding in group for words, *rest in [full_cells(finding)]]
    table = markup.table(FULL_HEADER, rows, f"Comparisons: {claim.words}", classes={0: "chosen"}, raw=(1,))
    note = f'<p class="soft">{SHADED}</p>' if len(group) > 1 else ""
    return f'<p class="answer">{_verdict(first)}</p>{markup.facts(told)}{table}{note}'
