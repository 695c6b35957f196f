"""Who teaches whom: the stored run that a student learns from, and what that says of the student's rows.

A teacher is named as a cell (all settings but the seed), and each student learns from the run of that cell
with its own seed: these two share their split, so that nobody teaches what the student is tested on.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from lsbench.config import MethodConfig, Run
from lsbench.errors import UsageError, did_you_mean
from lsbench.methods import all_methods
from lsbench.store import runs

SPLIT_SIZES = ("train", "select", "calibrate", "test")


def check_teacher(run: Run) -> None:
    """Raise `UsageError` for a method that needs a teacher and has none."""
    on = [knob for knob in _knobs() if run.method.knobs.get(knob)]
    if on and not run.method.teacher:
        value = run.method.knobs[on[0]]
        raise UsageError(
            f"method.knobs.{on[0]}={value:g}: needs a teacher: method.teacher=RUN, one that is stored"
        )


def check_unused_teacher(command: Sequence[Run]) -> None:
    """Raise `UsageError` for a teacher where none of a command's runs has a method that learns: somebody
    forgot it. Beside one that has, others may well be without."""
    if any(knob in run.method.knobs for run in command for knob in _knobs()):
        return
    for run in command:
        if cell := run.method.teacher:
            raise UsageError(f"method.teacher={cell}: nobody learns from it; add method=distillation")


def _knobs() -> list[str]:
    """Of the methods that need a teacher."""
    return [method.knob for method in all_methods().values() if method.distill]


def resolve_teacher(run: Run) -> Run:
    """``run`` with its teacher as a cell, or without one where it learns from none.

    Raises `UsageError` where a teacher that is named as a run is not stored.
    """
    method = run.method
    if method.teacher is None or _is_cell(method.teacher):
        cell = method.teacher
    else:
        record = runs.read(run.results_dir, method.teacher)
        if record is None:
            known = [path.parent.name for path in runs.record_files(run.results_dir)]
            hint = did_you_mean(method.teacher, known)
            raise UsageError(f"method.teacher={method.teacher}: no such run in {run.results_dir}{hint}")
        cell = record["cell"]
    if any(method.knobs.get(knob) for knob in _knobs()):
        return replace(run, method=replace(method, teacher=cell))
    plain = MethodConfig()
    return replace(
        run,
        method=replace(method, teacher=plain.teacher, teacher_temperature=plain.teacher_temperature),
    )


def _is_cell(name: str) -> bool:
    return re.fullmatch(r"c[0-9a-f]{8}", name) is not None


def check_fit(run: Run, data_sha256: str, teacher: runs.Record, called: str | None = None) -> None:
    """Raise `UsageError` for a teacher, as the user ``called`` it, that was trained on other data than
    ``run``, or on another split."""
    said = f"method.teacher={called or run.method.teacher}: {teacher['run']}"
    if teacher["data_sha256"] != data_sha256:
        raise UsageError(f"{said} was trained on other data than data={run.data.name}")
    for name, value in run.settings["data"].items():
        theirs = teacher.get(f"data.{name}")
        if name in SPLIT_SIZES and theirs != value:
            raise UsageError(f"{said} has data.{name}={_yaml(theirs)} and so another split; use the same")


def _yaml(value: int | None) -> str:
    return "null" if value is None else str(value)
