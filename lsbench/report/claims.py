"""Content of the page of claims, and the claims' comparisons as a table for claims.csv."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lsbench.analysis.evidence import Evidence
from lsbench.analysis.findings import Findings, judge_claims
from lsbench.analysis.results import SweepResults
from lsbench.analysis.verdicts import Judged
from lsbench.claims import all_claims
from lsbench.formatting import DASH, count, number
from lsbench.report import document as doc
from lsbench.report.claim_wording import (
    FULL_HEADER,
    HEADER,
    POWER_NOTE,
    TITLE,
    cells,
    explain,
    full_cells,
    legend,
    power_table,
    title,
)
from lsbench.report.figures.forest import in_margins
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.looks import caution
from lsbench.report.sweep import facts, left_out, setup
from lsbench.report.tables import POWER_TITLE
from lsbench.store.sweeps import read_measured
from lsbench.terms import DONE

FILES = {
    "claims.html": "this report as a page",
    "claims.md": "this report as text",
    "claims.csv": "one row per comparison",
    "runs.csv": "one row per run, with every digit",
    "summary.csv": "one row per setting, with every metric and interval",
    "figures/": "the figure as PNG and SVG",
}
OVERVIEW = "All claims"
HIGHLIGHTED = "The shaded comparison decides the claim."


def judge(results: SweepResults) -> Findings:
    """Judge the claims of a sweep from its stored runs, in the order of `all_claims`."""
    asked = results.sweep.claims
    claims = {name: claim for name, claim in all_claims().items() if name in asked}
    evidence = {name: _evidence(results, name, asked[name]) for name in claims}
    findings = judge_claims({name: claim.compare for name, claim in claims.items()}, evidence)
    looks = len(results.looks)
    return {name: [replace(judged, looks=looks) for judged in group] for name, group in findings.items()}


def _evidence(results: SweepResults, claim: str, members: Sequence[str]) -> Evidence:
    measured = read_measured(results.folder, claim)
    done = results.runs[results.runs["run"].isin(members) & (results.runs["status"] == DONE)]
    return Evidence(done, results.folder.parent, measured, results.scores.of_run)


def document(findings: Findings, results: SweepResults, specs: Sequence[FigureSpec]) -> doc.Document:
    """The page: all claims in a table, the figures, a section for each claim, and how to read them."""
    overview: list[doc.Block] = [] if results.runs.empty else [doc.Prose(setup(results.summary))]
    if text := caution(results):
        overview.append(doc.Prose(text))
    overview.append(_overview(findings))
    overview += [doc.Section(spec.title, (doc.FigureRef(spec),)) for spec in specs]
    sections = [doc.Section(OVERVIEW, tuple(overview))]
    sections += [
        doc.Section(title(all_claims()[name].words), _claim(name, group)) for name, group in findings.items()
    ]
    header, rows = power_table(findings)
    if rows:
        table = doc.Table(POWER_TITLE, header, rows)
        sections.append(doc.Section(POWER_TITLE, (doc.Prose(POWER_NOTE), table)))
    sections.append(doc.Section("How to read this page", legend(findings)))
    titles = "; ".join(part.title for part in results.parts)
    return doc.Document(
        kind="lsbench claims",
        title=f"{TITLE}: {titles or 'no runs'}",
        facts=facts(results),
        sections=(*sections, *left_out(results)),
        files=FILES,
    )


def _overview(findings: Findings) -> doc.Table:
    """A row for each claim, linked to its section."""
    rows = []
    for name, group in findings.items():
        words, deciding = all_claims()[name].words, group[0]
        _, *numbers = cells(deciding)
        rows.append([(doc.Link(words, title(words)),), _verdict(deciding), *numbers, _in_margins(deciding)])
    return doc.Table(OVERVIEW, ["claim", *HEADER, "in margins"], rows)


def _claim(name: str, group: Sequence[Judged]) -> tuple[doc.Block, ...]:
    """The verdict, the numbers and the meaning of the deciding comparison, then all comparisons."""
    claim, deciding = all_claims()[name], group[0]
    values: dict[str, doc.Text] = {"That is": explain(deciding)}
    if deciding.n:
        values |= {"Decided by": deciding.words, "Effect": _effect(deciding)}
    values |= {
        "Measured here": claim.measured,
        "Claimed or measured by": claim.source,
        "By itself": (doc.Code(f"lsbench claims {name}"),),
    }
    rows = []
    for judged in group:
        words, _, *numbers = full_cells(judged)
        rows.append([words, _verdict(judged), *numbers])
    note = HIGHLIGHTED if len(group) > 1 else ""
    table = doc.Table(f"Comparisons: {claim.words}", FULL_HEADER, rows, highlighted=frozenset([0]), note=note)
    return doc.Prose(_verdict(deciding)), doc.Facts(values), table


def _verdict(judged: Judged) -> doc.Text:
    """The verdict, with what it means here if the claim says that."""
    label = doc.VerdictLabel(judged.verdict_label)
    return (label, f": {judged.meaning}") if judged.meaning else (label,)


def _effect(judged: Judged) -> str:
    """Size, interval, n, p and margin in a line."""
    _, size, interval, _, p, margin = cells(judged)
    parts = [
        size if interval == DASH else f"{size}, 95 % interval {interval}",
        count(judged.n, "round" if judged.bounded else "seed"),
        *([] if judged.bounded else [f"for {judged.target}"]),
        "no p" if p == DASH else f"p, adjusted by Holm's method, {p}",
        f"{'bound' if judged.bounded else 'margin'} {margin}{judged.unit.name}",
    ]
    return "; ".join(parts)


def _in_margins(judged: Judged) -> str:
    """The effect in margins, positive in favour of the claim."""
    return number(in_margins(judged)[0], 1, sign=True) if judged.margin > 0 else DASH


def comparisons(findings: Findings) -> pd.DataFrame:
    """claims.csv: a row for each comparison, the deciding one of a claim first; numbers in the metric's own
    unit."""
    rows = [
        {"claim": name, "words": all_claims()[name].words, **numbers}
        for name, group in findings.items()
        for numbers in _numbers(group)
    ]
    return pd.DataFrame(rows)


def described(findings: Findings) -> list[dict[str, Any]]:
    """The claims with their comparisons, for JSON."""
    claims = {name: all_claims()[name] for name in findings}
    return [
        {
            "words": claim.words,
            "source": claim.source,
            "measured": claim.measured,
            "claim": name,
            "comparisons": _numbers(findings[name]),
        }
        for name, claim in claims.items()
    ]


def _numbers(group: Iterable[Judged]) -> list[dict[str, Any]]:
    """The comparisons of a claim by the columns of claims.csv."""
    return [
        {
            "comparison": judged.words,
            "decides": index == 0,
            "verdict": judged.word,
            "exploratory": judged.exploratory,
            "meaning": judged.meaning,
            "effect": judged.effect,
            "low": judged.low,
            "high": judged.high,
            "n": judged.n,
            "p": judged.p,
            "p_holm": judged.p_holm,
            "margin": judged.margin,
            "p_equivalent_holm": judged.p_tost_holm,
            "better": judged.better,
            "target": "" if judged.bounded else judged.target,
            "se": judged.se,
            "df": judged.df,
            "rows_se": judged.rows_se,
        }
        for index, judged in enumerate(group)
    ]


def exit_code(findings: Findings, results: SweepResults) -> int:
    """4 if a run is damaged, 1 if one is not done or a claim could not be judged, else 0."""
    failed = any(judged.word == "failed" for group in findings.values() for judged in group)
    return results.exit_code or int(failed)
