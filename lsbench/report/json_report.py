"""Reports for machines: one JSON document with the summary, the verdicts, the choices and their sources.

What is NaN, infinite or missing becomes null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from lsbench import __version__
from lsbench.analysis.baselines import as_rows
from lsbench.analysis.results import Part, SweepResults
from lsbench.analysis.verdicts import QUESTIONS
from lsbench.store.files import to_json

# What a run's provenance is made of; a report lists the distinct values of each.
SOURCES = ("seed", "data_sha256", "lsbench", "git_sha", "torch", "device", "precision", "finished")


def document(reports: Sequence[Mapping[str, Any]]) -> str:
    """The document, of one report each in ``reports``."""
    content = {
        "lsbench": __version__,
        "margins": {question.metric: question.margin for question in QUESTIONS},
        "reports": reports,
    }
    return to_json(content).decode().rstrip()


def describe(results: SweepResults) -> dict[str, Any]:
    """What the document says of a sweep."""
    return {**facts(results), "tables": [_table(part) for part in results.parts]}


def facts(results: SweepResults) -> dict[str, Any]:
    """What a report was made of: its runs, their provenance and its files."""
    status = [record["status"] for record in results.records]
    files = sorted(path for path in results.folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {
        "name": results.sweep.name,
        "command": results.sweep.command,
        "folder": str(results.folder),
        "files": [str(path) for path in files],
        "runs": {name: status.count(name) for name in ("done", "diverged", "failed")},
        "unfinished": [
            {name: record[name] for name in ("run", "status", "error")} for record in results.unfinished
        ],
        "missing": results.missing,
        "provenance": {name: _distinct(results.runs[name]) for name in SOURCES},
    }


def _table(part: Part) -> dict[str, Any]:
    """One data set and model: its rows of summary.csv, every verdict, and each method's choice."""
    chosen = [
        {
            **{"method": choice.label, "strength": choice.strength, "alpha": choice.row["alpha"]},
            **{"cell": choice.row["cell"], "chosen_by": choice.row["chosen_by"]},
            **{name: choice.row.get(f"{name}_mean") for name in ("select_nll_ts", "select_nll")},
            **{"n": choice.row["n"], "n_failed": choice.row["n_failed"]},
            **{
                "options": choice.options,
                "agree": choice.agree,
                "seeds": choice.seeds,
                "largest": choice.largest,
            },
        }
        for choice in part.choices
    ]
    known = part.cells.astype(object).where(part.cells.notna(), None)  # pandas' NA too
    return {
        **{"data": part.data, "model": part.model, "summary": as_rows(known)},
        **{"verdicts": [asdict(verdict) for verdict in part.verdicts], "choices": chosen},
    }


def _distinct(column: "pd.Series[Any]") -> list[Any]:
    return sorted(set(column.dropna().tolist()) - {""})
