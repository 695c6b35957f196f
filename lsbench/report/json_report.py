"""Reports for machines: one JSON document with the summary, the verdicts, the choices and their sources.

What is NaN, infinite or missing becomes null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lsbench import __version__
from lsbench.analysis.criterion import CRITERIA
from lsbench.analysis.results import Stored
from lsbench.analysis.selection import choices
from lsbench.analysis.tables import Part, as_rows, tables
from lsbench.analysis.verdicts import QUESTIONS, verdicts
from lsbench.report.publish import rebuild
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


def describe(results_dir: str | Path, name: str) -> tuple[dict[str, Any], int]:
    """What the document says of sweep ``name``, whose report is written again, and its exit code."""
    built = rebuild(results_dir, name)
    shown = [_table(part, built.runs) for part in tables(built.summary)]
    return {**facts(built), "tables": shown}, built.exit_code


def facts(built: Stored) -> dict[str, Any]:
    """What a report was made of: its runs, their provenance and its files."""
    status = [record["status"] for record in built.records]
    files = sorted(path for path in built.folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {
        "name": built.sweep.name,
        "command": built.sweep.command,
        "folder": str(built.folder),
        "files": [str(path) for path in files],
        "runs": {name: status.count(name) for name in ("done", "diverged", "failed")},
        "unfinished": [
            {name: record[name] for name in ("run", "status", "error")} for record in built.unfinished
        ],
        "missing": built.missing,
        "provenance": {name: _distinct(built.runs[name]) for name in SOURCES},
    }


def _table(part: Part, runs: pd.DataFrame) -> dict[str, Any]:
    """One data set and model: its rows of summary.csv, every verdict, and each method's choice."""
    chosen = [
        {
            **{"method": choice.label, "strength": choice.strength, "alpha": choice.row["alpha"]},
            **{"cell": choice.row["cell"], "chosen_by": choice.row["chosen_by"]},
            **{name: choice.row.get(f"{name}_mean") for name in CRITERIA},
            **{"n": choice.row["n"], "n_failed": choice.row["n_failed"]},
            **{
                "options": choice.options,
                "agree": choice.agree,
                "seeds": choice.seeds,
                "largest": choice.largest,
            },
        }
        for choice in choices(runs, part.table)
    ]
    known = part.table.astype(object).where(part.table.notna(), None)  # pandas' NA too
    return {
        **{"data": part.data, "model": part.model, "summary": as_rows(known)},
        **{"verdicts": [asdict(verdict) for verdict in verdicts(part.table)], "choices": chosen},
    }


def _distinct(column: "pd.Series[Any]") -> list[Any]:
    return sorted(set(column.dropna().tolist()) - {""})
