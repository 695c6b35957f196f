"""Checks of a student's teacher: that there is one, that it is used, and that it fits.

A teacher is given as a cell (all settings but the seed). Each student learns from the run of that cell with
the student's seed: the two share their split, so the teacher was not trained on the student's test rows.
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
    for knob in _distillation_knobs():
        if run.method.knobs.get(knob) and not run.method.teacher:
            setting = f"method.knobs.{knob}={run.method.knobs[knob]:g}"
            raise UsageError(f"{setting}: needs a teacher; add method.teacher=RUN with a stored run")


def check_unused_teacher(command: Sequence[Run]) -> None:
    """Raise `UsageError` for a teacher if no run of the command has a method that uses one: it was probably
    forgotten. Runs without such a method are fine beside one that has it."""
    if any(knob in run.method.knobs for run in command for knob in _distillation_knobs()):
        return
    for run in command:
        if cell := run.method.teacher:
            raise UsageError(f"method.teacher={cell}: is set but unused; add method=distillation")


def _distillation_knobs() -> list[str]:
    """The knobs of methods that need a teacher."""
    return [method.knob for method in all_methods().values() if method.distill]


def resolve_teacher(run: Run) -> Run:
    """``run`` with its teacher as a cell, or without a teacher if no method of the run uses one.

    Raises `UsageError` if the teacher is given as a run that is not stored.
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
    if any(method.knobs.get(knob) for knob in _distillation_knobs()):
        return replace(run, method=replace(method, teacher=cell))
    temperature = MethodConfig().teacher_temperature
    return replace(run, method=replace(method, teacher=None, teacher_temperature=temperature))


def _is_cell(name: str) -> bool:
    return re.fullmatch(r"c[0-9a-f]{8}", name) is not None


def check_fit(run: Run, data_sha256: str, teacher: runs.Record, called: str | None = None) -> None:
    """Raise `UsageError` for a teacher that was trained on other data or another split than ``run``.
    ``called`` is how the user wrote the teacher."""
    setting = f"method.teacher={called or run.method.teacher}: {teacher['run']}"
    if teacher["data_sha256"] != data_sha256:
        raise UsageError(f"{setting} was trained on other data than data={run.data.name}")
    for name, value in run.settings["data"].items():
        teachers_value = teacher.get(f"data.{name}")
        if name in SPLIT_SIZES and teachers_value != value:
            shown = "null" if teachers_value is None else teachers_value
            raise UsageError(f"{setting} has data.{name}={shown} and so another split; use the same value")
