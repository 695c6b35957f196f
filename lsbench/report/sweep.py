"""Content of a sweep's report. No α is chosen by test results.

Every mean, interval, p and verdict of the metrics is in summary.csv too.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lsbench.analysis.baselines import strengths
from lsbench.analysis.columns import PLAIN, as_rows, is_metric
from lsbench.analysis.results import Part, SweepResults
from lsbench.formatting import DASH, format_setting
from lsbench.report import document as doc
from lsbench.report import penultimate, probe_tables
from lsbench.report.answer import one_seed, sentences
from lsbench.report.comparison import FIRST, against_plain, comparison
from lsbench.report.definitions import DEFINITIONS
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.probe_tables import Probed
from lsbench.report.tables import POWER_NOTE, POWER_TITLE, Table, full_table, word_table
from lsbench.report.wording import choice_table, choosing, interpretation, power_table
from lsbench.terms import DIVERGED, DONE, FAILED

FILES = {
    "report.html": "this report as a page, with every run",
    "report.md": "this report as text",
    "runs.csv": "one row per run, with every digit",
    "summary.csv": "one row per setting, with every metric and interval",
    "reliability.csv": "confidence bins of every setting",
    "training.csv": "training curves of every setting",
    "figures/": "the figures as PNG and SVG",
}
NOTE = (
    "Δ is what smoothing does to the same method, with its 95 % interval for new images; ± is half of such "
    "an interval. Shaded rows are those that each method would choose on the select split."
)
AGAINST_PLAIN = "Difference from plain training"
LEFT_OUT = "Runs left out of every mean"


def document(
    results: SweepResults,
    specs: Sequence[FigureSpec],
    probed: Probed,
    first: Sequence[doc.Section] = (),
) -> doc.Document:
    """The report, with the figures ``specs`` and what was ``probed``. It begins with the sections
    ``first``."""
    sections = [*first]
    for part in results.parts:
        of_part = [spec for spec in specs if spec.part == part.title]
        blocks = _part(part, of_part, probed, decided=bool(results.protocol))
        sections.append(doc.Section(part.title, blocks))
    sections += left_out(results)
    if not results.runs.empty:
        sections.append(doc.Section("Every run", _every_run(results.runs)))
    sections.append(doc.Section("Definitions", (doc.Facts(DEFINITIONS),)))
    titles = "; ".join(part.title for part in results.parts)
    return doc.Document(
        kind="lsbench report",
        title=f"Label smoothing: {titles or 'no runs'}",
        facts=facts(results),
        sections=tuple(sections),
        files=FILES,
    )


def _part(part: Part, specs: Sequence[FigureSpec], probed: Probed, *, decided: bool) -> tuple[doc.Block, ...]:
    """The report of one data set and model; where its sweep was ``decided``, the decision is the answer."""

    def figures(*kinds: str) -> list[doc.Block]:
        return [doc.Section(spec.title, (doc.FigureRef(spec),)) for spec in specs if spec.kind in kinds]

    def section(title: str, about: str, table: Table) -> list[doc.Block]:
        header, rows = table
        blocks = (doc.Prose(about), doc.Table(f"{title}: {part.title}", header, rows))
        return [doc.Section(title, blocks)] if rows else []

    lead = [] if decided else [doc.Lead(tuple(sentences(part)))]
    header, rows = against_plain(part)
    plain = [doc.Table(f"{AGAINST_PLAIN}: {part.title}", header, _with_labels(header, rows))] if rows else []
    return (
        *lead,
        *figures("effects"),
        _comparison(part),
        *one_seed(part),
        doc.Prose(setup(part.cells)),
        doc.Section("α chosen on the select split", _choices(part)),
        *([doc.Section(AGAINST_PLAIN, tuple(plain))] if plain else []),
        *figures("alpha"),
        doc.Section("Reading", interpretation(part)),
        *([doc.Section("Verdicts", _verdicts(part))] if part.verdicts else []),
        *section(POWER_TITLE, POWER_NOTE, power_table(part)),
        *figures("reliability", "confidence", "training"),
        *section(probe_tables.TITLE, probe_tables.ABOUT, probe_tables.probe_table(part, probed.columns)),
        *section(penultimate.TITLE, penultimate.ABOUT, penultimate.ratio_table(part, probed.ratios)),
        *figures("geometry"),
    )


def _comparison(part: Part) -> doc.Table:
    """All cells; a line separates the methods, and the chosen rows are highlighted."""
    header, rows = comparison(part)
    index = {row["cell"]: number for number, row in enumerate(part.rows)}
    groups = {min(index[cell] for cell in line["cell"]) for _, line in part.lines} - {0}
    label = f"Comparison: {part.title}"
    return doc.Table(
        label,
        header,
        _with_labels(header, rows),
        highlighted=frozenset(index[choice.row["cell"]] for choice in part.choices),
        groups=frozenset(groups),
        further=frozenset(range(len(FIRST), len(header))),
        note=NOTE,
    )


def _with_labels(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[doc.Text]]:
    """The rows with their verdicts styled as such."""
    verdicts = {index for index, title in enumerate(header) if title.startswith("verdict")}
    return [[_verdict(cell) if index in verdicts else cell for index, cell in enumerate(row)] for row in rows]


def _choices(part: Part) -> tuple[doc.Block, ...]:
    header, rows = choice_table(part)
    text = doc.Prose(choosing(part))
    return (text, doc.Table(f"α chosen on the select split: {part.title}", header, rows)) if rows else (text,)


def _verdicts(part: Part) -> tuple[doc.Block, ...]:
    """The verdicts on smoothing, and the numbers behind every verdict."""
    header, rows = word_table([judged for judged in part.verdicts if judged.kind != PLAIN])
    labels = [[method, alpha, *map(_verdict, verdicts)] for method, alpha, *verdicts in rows]
    numbers = doc.Table(f"Verdicts in numbers: {part.title}", *full_table(part.verdicts))
    return (
        doc.Table(f"Verdicts: {part.title}", header, labels),
        doc.Details("Effect, interval, n and p of each", (numbers,)),
    )


def _verdict(label: str) -> doc.Text:
    return label if label == DASH else (doc.VerdictLabel(label),)


def _every_run(runs: pd.DataFrame) -> tuple[doc.Block, ...]:
    """The settings that all runs share, and a table of the columns in which runs differ."""
    shared: dict[str, doc.Text] = {}
    header, columns = [], []
    for name in runs.columns:
        texts = [_cell(value, measured=is_metric(name)) for value in runs[name]]
        if name == "run" or len(set(texts)) > 1:
            header.append(name)
            columns.append(texts)
        elif texts[0]:
            shared[name] = texts[0]
    rows = list(zip(*columns, strict=True))
    return (
        doc.Details(f"Settings and provenance that all {len(runs)} runs share", (doc.Facts(shared),)),
        doc.Details(
            "Settings, provenance and results of each run",
            (doc.Table("Every run", header, rows, prose_like=True),),
        ),
    )


def _cell(value: Any, *, measured: bool) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.5g}" if measured else format_setting(value)


def left_out(results: SweepResults) -> list[doc.Section]:
    """The runs that no mean contains, with status and reason; no section if there are none."""
    unfinished = as_rows(results.runs[results.runs["status"] != DONE])
    rows = [(row["run"], row["status"], _one_line(row["error"])) for row in unfinished]
    rows += [(run, "missing", "no record in the store") for run in results.missing]
    rows += [(run, "damaged", reason) for run, reason in results.damaged.items()]
    if not rows:
        return []
    return [doc.Section(LEFT_OUT, (doc.Table(LEFT_OUT, ["run", "status", "reason"], rows, prose_like=True),))]


def facts(results: SweepResults) -> dict[str, doc.Text]:
    """The provenance of a report."""
    runs = results.runs
    status = runs["status"].value_counts()
    counts = ", ".join(f"{status.get(name, 0)} {name}" for name in (DONE, DIVERGED, FAILED))
    damaged = f"; {len(results.damaged)} damaged" if results.damaged else ""
    return {
        "Command": (doc.Code(results.sweep.command),),
        "Runs": f"{len(runs)} ({counts}); {len(results.missing)} missing{damaged}",
        "Seeds": _values(runs["seed"]),
        "Versions": f"lsbench {_values(runs['lsbench'])}, torch {_values(runs['torch'])}",
        "Commit": _values(runs["git_sha"]),
        "Device": _values(runs["device"]),
        "Last run finished": _moment(runs["finished"]),
    }


def setup(cells: pd.DataFrame) -> doc.Text:
    """Size and checksum of the data, and the settings that all ``cells`` share or that differ in them."""
    hashes = ", ".join(sha[:12] for sha in sorted(set(cells["data_sha256"].dropna())))
    train, test = (_values(cells[name], ",") for name in ("n_train", "n_test"))
    epochs = _values(cells["epochs"])
    settings = [
        f"{epochs} {'epoch' if epochs == '1' else 'epochs'}",
        f"batch size {_values(cells['batch_size'])}",
        f"learning rate {_values(cells['lr'])}",
        _values(cells["precision"]),
        f"convention {_values(cells['convention'])}",
    ]
    settings += [
        f"{name} {' and '.join(map(format_setting, values))}" for name, values in strengths(cells).items()
    ]
    sizes = f"{train} training and {test} test images, data SHA-256 "
    return (sizes, doc.Code(hashes) if hashes else DASH, f". {', '.join(settings)}.")


def _values(column: "pd.Series[Any]", grouping: str = "") -> str:
    """A column's distinct values; three or more consecutive whole numbers as first–last."""
    values = sorted(value for value in set(column.dropna()) if value != "")
    if len(values) > 2 and all(isinstance(value, int) for value in values):
        first, last = int(values[0]), int(values[-1])
        if values == list(range(first, last + 1)):
            return f"{first}–{last}"
    return ", ".join(f"{v:{grouping}}" if grouping else format_setting(v) for v in values) or DASH


def _moment(finished: "pd.Series[Any]") -> str:
    latest: str = max(finished.dropna(), default=DASH)
    return latest.replace("T", " ").replace("+00:00", " UTC")


def _one_line(error: object) -> str:
    return " ".join(error.split()) if isinstance(error, str) else ""
