"""claims.md."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.findings import Finding
from lsbench.claims import all_claims
from lsbench.formatting import code, escape_markdown, pipe_table
from lsbench.report import claims_more_seeds as more_seeds
from lsbench.report.claim_wording import (
    FULL_HEADER,
    HEADER,
    TITLE,
    cells,
    explain,
    full_cells,
    reading,
    title,
    verdict,
)
from lsbench.report.markdown import facts, figure, prose, setup

if TYPE_CHECKING:
    import pandas as pd

    from lsbench.report.figures.spec import FigureSpec


def text(
    judged: Mapping[str, Sequence[Finding]],
    runs: "pd.DataFrame",
    summary: "pd.DataFrame",
    *,
    command: str,
    missing: Sequence[str],
    plates: "Sequence[FigureSpec]",
) -> str:
    """The page: all claims in a table, the figures, and a section a claim."""
    source = facts(runs, code(command), missing)
    overview = [[all_claims()[name].words, *cells(group[0])] for name, group in judged.items()]
    blocks = [
        f"# {TITLE}",
        "\n".join(f"- {name}: {fact}" for name, fact in source.items()),
        *([] if runs.empty else [setup(summary)]),
        pipe_table(["claim", *HEADER], overview),
        *map(figure, plates),
        prose(reading(judged)),
        *_more_seeds(judged),
        *(_section(name, group) for name, group in judged.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _more_seeds(judged: Mapping[str, Sequence[Finding]]) -> list[str]:
    header, rows = more_seeds.table(judged)
    return [f"## {more_seeds.TITLE}", more_seeds.ABOUT, pipe_table(header, rows)] if rows else []


def _section(name: str, group: Sequence[Finding]) -> str:
    claim = all_claims()[name]
    source, measured = escape_markdown(claim.source), escape_markdown(claim.measured)
    about = f"`{name}`. Claimed or measured by: {source}. Measured here: {measured}."
    decided = f"**{escape_markdown(verdict(group[0]))}**. That is: {escape_markdown(explain(group[0]))}"
    table = pipe_table(FULL_HEADER, [full_cells(finding) for finding in group])
    return f"## {escape_markdown(title(claim.words))}\n\n{decided}\n\n{about}\n\n{table}"
