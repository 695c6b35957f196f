"""report.html: the whole report as one page that needs no other file and asks the network for nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lsbench.analysis.results import Part, SweepResults
from lsbench.analysis.tables import is_metric
from lsbench.formatting import escape_markdown, format_setting
from lsbench.report import markdown, penultimate
from lsbench.report.comparison import comparison
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.markdown import DEFINITIONS, facts, left_out, setup
from lsbench.report.page import markup
from lsbench.report.page.frame import document, figure, section
from lsbench.report.tables import MORE, full_table, word_table
from lsbench.report.wording import choice_table, choosing, interpretation, power_table

BESIDE = "`report.md`, `runs.csv`, `summary.csv` and the figures as files"
SHADED = "Shaded rows are those that each method would choose on the select split."


def page(
    results: SweepResults, plates: Sequence[FigureSpec], ratios: pd.DataFrame, drawn: Mapping[str, bytes]
) -> bytes:
    """The page. ``drawn`` holds the SVG of each plate by its name; ``ratios`` are `penultimate.ratios`."""
    runs, missing = results.runs, results.missing
    titles = [part.title for part in results.parts]
    sections = []
    for part in results.parts:
        own = {plate.kind: figure(plate, drawn[plate.name]) for plate in plates if plate.pair == part.title}
        layer = _scatter(part, ratios) + own.pop("geometry", "")
        content = [*_numbers(part, own.pop("alpha", "")), *own.values(), layer]
        sections.append(section(part.title, "\n".join(content)))
    ends = {
        "Runs that no mean contains": _left_out(runs, missing),
        "Every run": _every_run(runs),
        "Definitions": markup.prose(DEFINITIONS.partition("\n")[2]),
    }
    ends = {title: text for title, text in ends.items() if text}
    sections += [section(title, text) for title, text in ends.items()]
    return document(
        kind="lsbench report",
        title=f"Label smoothing: {'; '.join(titles) or 'no runs'}",
        facts=facts(runs, results.sweep.command, missing),
        contents=[*titles, *ends],
        sections=sections,
        beside=BESIDE,
    )


def _numbers(part: Part, over_alpha: str) -> list[str]:
    """What there is to say of one data set and model, with the figure ``over_alpha`` behind the table."""
    blocks = [markup.prose(setup(part.cells)), _comparison(part), over_alpha]
    blocks += ["<h3>α chosen on the select split</h3>", _choices(part)]
    return [*blocks, "<h3>Reading</h3>", markup.prose(markdown.prose(interpretation(part))), _verdicts(part)]


def _scatter(part: Part, ratios: pd.DataFrame) -> str:
    header, rows = penultimate.ratio_table(part, ratios)
    if not rows:
        return ""
    shown = markup.table(header, rows, f"{penultimate.TITLE}: {part.title}")
    return f"<h3>{penultimate.TITLE}</h3>{markup.prose(penultimate.ABOUT)}{shown}"


def _comparison(part: Part) -> str:
    """The table of report.md; a line above each method's first row, and the chosen rows shaded."""
    header, rows = comparison(part)
    places = {cell: place for place, cell in enumerate(part.cells["cell"])}
    classes = {min(places[cell] for cell in line["cell"]): "group" for _, line in part.lines}
    classes.pop(0, None)
    for choice in part.choices:
        place = places[choice.row["cell"]]
        classes[place] = f"{classes.get(place, '')} chosen".strip()
    compared = markup.table(header, rows, f"Comparison: {part.title}", classes=classes)
    return f'{compared}<p class="soft">{SHADED}</p>'


def _choices(part: Part) -> str:
    header, rows = choice_table(part)
    if not rows:
        return markup.prose(escape_markdown(choosing(part)))
    shown = markup.table(header, rows, f"α chosen on the select split: {part.title}")
    return f"{markup.prose(escape_markdown(choosing(part)))}{shown}"


def _verdicts(part: Part) -> str:
    """A word for every comparison, the numbers behind each, and what more seeds would buy."""
    found, pair = part.verdicts, part.title
    if not found:
        return ""
    header, rows = word_table(found)
    words = [[*row[:2], *map(markup.verdict, row[2:])] for row in rows]
    shown = markup.table(header, words, f"Verdicts: {pair}", raw=range(2, len(header)))
    header, rows = full_table(found)
    full = markup.table(header, rows, f"Verdicts in numbers: {pair}")
    numbers = f"<details><summary>Effect, interval, n and p of each</summary>{full}</details>"
    header, rows = power_table(part)
    if not rows:
        return f"<h3>Verdicts</h3>{shown}{numbers}"
    more = markup.table(header, rows, f"What more seeds would buy: {pair}")
    return f"<h3>Verdicts</h3>{shown}{numbers}<h3>What more seeds would buy</h3>{markup.prose(MORE)}{more}"


def _left_out(runs: pd.DataFrame, missing: Sequence[str]) -> str:
    rows = left_out(runs, missing)
    return (
        markup.table(["run", "status", "reason"], rows, "Runs that no mean contains", fixed=False)
        if rows
        else ""
    )


def _every_run(runs: pd.DataFrame) -> str:
    """What all runs share, once, and a table of what differs, under a lid."""
    if runs.empty:
        return ""
    same, differing = {}, []
    for name in runs.columns:
        texts = [_cell(value, is_metric(name)) for value in runs[name]]
        if name != "run" and len(set(texts)) == 1:
            same[name] = texts[0]
        else:
            differing.append((name, texts))
    rows = list(zip(*(texts for _, texts in differing), strict=True))
    shared = markup.facts({name: text for name, text in same.items() if text})
    table = markup.table([name for name, _ in differing], rows, "Every run", fixed=False)
    return (
        f"<details><summary>Settings and provenance that all {len(runs)} runs share</summary>"
        f"{shared}</details>"
        f"<details><summary>Settings, provenance and results of each run</summary>{table}</details>"
        '<p class="soft">The same with every digit: <code>runs.csv</code>.</p>'
    )


def _cell(value: Any, measured: bool) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.5g}" if measured else format_setting(value)
