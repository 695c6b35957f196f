"""Reports as one JSON document, with the summary, the verdicts, the choices and their provenance.

Missing, NaN and infinite values become null.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lsbench import __version__
from lsbench.analysis.columns import as_rows
from lsbench.analysis.results import Part, SweepResults
from lsbench.analysis.selection import Choice
from lsbench.analysis.verdicts import QUESTIONS, Judged
from lsbench.report.answer import sentences
from lsbench.store.files import to_json
from lsbench.terms import DIVERGED, DONE, FAILED

VERDICT_FIELDS = (
    *("words", "word", "effect", "low", "high", "n", "margin", "sd", "exploratory", "family"),
    *("label", "alpha", "metric", "against", "chosen", "cell"),
    *("kind", "target", "se", "df", "rows_se", "wrong_way", "looks", "meaning"),
)
# The provenance of a run; a report lists the distinct values of each.
PROVENANCE = ("seed", "data_sha256", "lsbench", "git_sha", "torch", "device", "precision", "finished")


def document(reports: Sequence[Mapping[str, Any]]) -> str:
    """The document of these ``reports``."""
    content = {
        "lsbench": __version__,
        "margins": {question.metric: question.margin for question in QUESTIONS},
        "reports": reports,
    }
    return to_json(content).decode().rstrip()


def describe(results: SweepResults) -> dict[str, Any]:
    """The report of a sweep."""
    return {**facts(results), "tables": [_table(part) for part in results.parts]}


def facts(results: SweepResults) -> dict[str, Any]:
    """The runs of a report, their provenance and its files."""
    status = [record["status"] for record in results.records]
    files = sorted(path for path in results.folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {
        "name": results.sweep.name,
        "command": results.sweep.command,
        "folder": str(results.folder),
        "files": [str(path) for path in files],
        "runs": {name: status.count(name) for name in (DONE, DIVERGED, FAILED)},
        "unfinished": [
            {name: record[name] for name in ("run", "status", "error")} for record in results.unfinished
        ],
        "missing": results.missing,
        "looks": results.looks,
        "damaged": dict(results.damaged),
        "without_checksums": results.without_checksums,
        "provenance": {name: _distinct(results.runs[name]) for name in PROVENANCE},
    }


def _table(part: Part) -> dict[str, Any]:
    """One data set and model: the answer, its rows of summary.csv, every verdict, each method's choice."""
    known = part.cells.astype(object).where(part.cells.notna(), None)  # pandas' NA too
    return {
        "data": part.data,
        "model": part.model,
        "answer": sentences(part),
        "summary": as_rows(known),
        "verdicts": [_verdict(judged) for judged in part.verdicts],
        "choices": [_choice(choice) for choice in part.choices],
    }


def _verdict(judged: Judged) -> dict[str, Any]:
    """A verdict; its p are adjusted by Holm's method. The summary has them unadjusted too."""
    values = {name: getattr(judged, name) for name in VERDICT_FIELDS}
    return values | {"p": judged.p_holm, "p_equivalent": judged.p_tost_holm}


def _choice(choice: Choice) -> dict[str, Any]:
    row = choice.row
    return {
        "method": choice.label,
        "strength": choice.strength,
        "alpha": row["alpha"],
        "cell": row["cell"],
        "chosen_by": row["chosen_by"],
        "select_nll_ts": row["select_nll_ts_mean"],
        "select_nll": row["select_nll_mean"],
        "n": row["n"],
        "n_failed": row["n_failed"],
        "options": choice.options,
        "agree": choice.agree,
        "seeds": choice.seeds,
        "largest": choice.largest,
    }


def _distinct(column: "pd.Series[Any]") -> list[Any]:
    return sorted(set(column.dropna().tolist()) - {""})
