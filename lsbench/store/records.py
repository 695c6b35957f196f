"""The record of a run: its settings, results and provenance as one flat mapping, kept in result.json."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeGuard

from lsbench.config import Name, Run
from lsbench.store.links import is_plain_name
from lsbench.store.provenance import provenance
from lsbench.terms import COLUMNS, DIVERGED, DONE, FAILED, Outcome

Record = dict[str, Any]
# The keys that every record has beside COLUMNS, and those that a done run has.
FURTHER_COLUMNS = ("cell", "temperature_flag", "diverged_step")
MEASURED_COLUMNS = ("select_nll_ts", "test_confidence_wrong", "test_ece_floor", "test_ece_floor_ts")
# The columns that hold a setting of the same name.
SETTING_COLUMNS = {f.name for f in fields(Run)}.intersection(COLUMNS) - {"data", "model", "method", "device"}
# The columns of text, and those that may be null instead. All others of COLUMNS hold numbers or null.
NAMES = ("run", "data", "model", "method", "cell")
TEXTS = "convention device precision data_sha256 lsbench git_sha torch finished error".split()


def make_record(run: Run, run_id: str, data_sha256: str, outcome: Outcome, device: str) -> Record:
    """The run's record: every column, null if the outcome has no value for it, then further keys."""
    values = {
        "run": run_id,
        "status": outcome.status,
        "data": run.data.name,
        "model": run.model_name,
        "method": run.method_name,
        **{name: getattr(run, name) for name in SETTING_COLUMNS},
        **outcome.columns,
        "device": device,
        "data_sha256": data_sha256,
        **provenance(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": outcome.error,
    }
    further = {"cell": run.cell_id(data_sha256), "temperature_flag": "", "diverged_step": None}
    knobs = run.method.knobs | _teacher_columns(run)
    return dict.fromkeys(COLUMNS) | further | knobs | values | _other_settings(run)


def _teacher_columns(run: Run) -> Record:
    """The teacher's cell and its temperature, if the run has a teacher."""
    method = run.method
    if method.teacher is None:
        return {}
    return {"teacher_temperature": method.teacher_temperature, "method.teacher": method.teacher}


def _other_settings(run: Run) -> Record:
    """The settings without a column in COLUMNS, such as data.shift, model.hidden, optim.momentum."""
    flat = {}
    for group in ("data", "model", "optim"):
        for name, value in run.settings[group].items():
            if name != "_target_" and (group, name) not in (("data", "name"), ("model", "name")):
                flat[f"{group}.{name}"] = json.dumps(value) if isinstance(value, list | dict) else value
    return flat


def is_record(content: object, run_id: str) -> TypeGuard[Record]:
    """True if ``content`` has every key that a record of RESULT_VERSION has, with values of the right types:
    whoever reads a record relies on them, and its run, data and model become parts of paths."""
    if not isinstance(content, dict) or not content.keys() >= {*COLUMNS, *FURTHER_COLUMNS}:
        return False
    if content["status"] not in (DONE, DIVERGED, FAILED):
        return False
    if content["status"] == DONE and not content.keys() >= set(MEASURED_COLUMNS):
        return False
    named = content["run"] == run_id and all(content[name] in Name() for name in ("data", "model"))
    named = named and all(is_plain_name(content[name]) for name in ("method", "cell"))
    return named and all(name.isprintable() and _is_valid(name, value) for name, value in content.items())


def _is_valid(name: str, value: object) -> bool:
    if isinstance(value, str) and name != "error" and not value.isprintable():
        return False  # a terminal would obey its control characters
    if name in ("status", *NAMES):
        return isinstance(value, str)
    if name in TEXTS:
        return isinstance(value, str | None)
    if name in COLUMNS or name.startswith(("test_", "train_", "select_")):
        return isinstance(value, int | float | None)
    return isinstance(value, str | int | float | None)
