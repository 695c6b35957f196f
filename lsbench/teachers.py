"""Who teaches whom: the stored run that a student learns from, and what that says of the student's rows.

A teacher is named as a cell (all settings but the seed), and each student learns from the run of that cell
with its own seed: these two share their split, so that nobody teaches what the student is tested on.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lsbench import runs
from lsbench.config import MethodConfig, Run
from lsbench.data.resident import Resident
from lsbench.methods import all_methods
from lsbench.restore import CHUNK, restored
from lsbench.terms import Lesson, UsageError, did_you_mean

SPLIT_SIZES = ("train", "select", "calibrate", "test")


class Place(NamedTuple):
    """Where to find a run whose settings are known: the store, the cell, the seed."""

    results_dir: str
    cell: str
    seed: int


def check(run: Run) -> None:
    """Raise `UsageError` for a method that needs a teacher and has none."""
    on = [knob for knob in _knobs() if run.method.knobs.get(knob)]
    if on and not run.method.teacher:
        value = run.method.knobs[on[0]]
        raise UsageError(
            f"method.knobs.{on[0]}={value:g}: needs a teacher: method.teacher=RUN, one that is stored"
        )


def check_idle(command: Sequence[Run]) -> None:
    """Raise `UsageError` for a teacher where none of a command's runs has a method that learns: somebody
    forgot it. Beside one that has, others may well be without."""
    if any(knob in run.method.knobs for run in command for knob in _knobs()):
        return
    for run in command:
        if cell := run.method.teacher:
            raise UsageError(f"method.teacher={cell}: nobody learns from it; add method=distillation")


def _knobs() -> list[str]:
    """Of the methods that need a teacher."""
    return [method.knob for method in all_methods().values() if method.teach]


def named(run: Run) -> Run:
    """``run`` with its teacher as a cell, or without one where it learns from none.

    Raises `UsageError` where a teacher that is named as a run is not stored.
    """
    method = run.method
    if method.teacher is None or _is_cell(method.teacher):
        cell = method.teacher
    else:
        record = runs.read(run.results_dir, method.teacher)
        if record is None:
            known = [path.parent.name for path in _records(run.results_dir)]
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


def place(run: Run) -> Place | None:
    """Where the teacher of ``run`` is found, if it has one."""
    cell = run.method.teacher
    return Place(run.results_dir, cell, run.seed) if cell else None


def find(places: Iterable[Place | None]) -> dict[Place, runs.Record]:
    """The records in these places, of those that have one, whatever became of the run."""
    wanted = {each for each in places if each}
    found = {}
    for results_dir, seed in {(each.results_dir, each.seed) for each in wanted}:
        for path in _records(results_dir, seed):
            if (here := _place_of(results_dir, path)) in wanted:
                record = runs.read(results_dir, path.parent.name)
                if here and record:
                    found[here] = record
    return found


# Where the runs stand whose records `find` has read once, by the record's file: a run's name stands for all
# its settings. A sweep asks for every stack, and its store may hold thousands of runs.
_known: dict[Path, Place] = {}


def _place_of(results_dir: str, path: Path) -> Place | None:
    if path not in _known and (record := runs.read(results_dir, path.parent.name)):
        _known[path] = Place(results_dir, record["cell"], record["seed"])
    return _known.get(path)


def _records(results_dir: str, seed: int | None = None) -> list[Path]:
    pattern = "*" if seed is None else f"*-s{seed}-*"
    return sorted(runs.run_dir(results_dir, "").glob(f"{pattern}/result.json"))


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


class Lessons:
    """What each member's teacher says of its train rows, kept on the device: called with rows [M,B] of the
    data, the `Lesson` on them.

    ``logits`` [T,n,K] are those of T teachers, and ``teacher`` [M] says which of them is each member's: they
    are of the member's rows ``rows`` [M,n], of a data set of ``total`` rows.
    """

    def __init__(self, logits: Tensor, teacher: Tensor, temperature: Tensor, rows: Tensor, total: int):
        _, count, classes = logits.shape
        self.logits, self.temperature = logits.reshape(-1, classes), temperature
        place = teacher[:, None] * count + torch.arange(count, device=rows.device)
        self.place = torch.zeros(len(rows), total, dtype=torch.int64, device=rows.device).scatter_(
            1, rows, place
        )

    def __call__(self, rows: Tensor) -> Lesson:
        flat = self.place.gather(1, rows).flatten()
        return Lesson(self.logits.index_select(0, flat).view(*rows.shape, -1), self.temperature)


def lessons(members: Sequence[Run], data: Resident, dtype: torch.dtype) -> Lessons:
    """The lessons for a stack of ``members``, each from its own teacher's stored weights.

    A teacher sees the stored images as they are, without augmentation, and is asked once, alone, in eval mode
    and in its own precision: what it says depends neither on the stack nor on where a training was resumed.
    Raises `StorageError` where weights are missing or damaged, `UsageError` where there is no such run.
    """
    rows = data.rows["train"]
    records = find(map(place, members))
    taught: dict[Place | None, Tensor] = {}
    for member, run in enumerate(members):
        here = place(run)
        if here in taught:
            continue
        if here is None:
            taught[here] = torch.zeros(rows.shape[1], data.classes, dtype=dtype, device=rows.device)
        elif here in records:
            taught[here] = _logits(run.results_dir, records[here]["run"], data.of(member)).to(dtype)
        else:
            raise UsageError(missing(run))
    numbers = {here: number for number, here in enumerate(taught)}
    teacher = torch.tensor([numbers[place(run)] for run in members], device=rows.device)
    temperature = [run.method.teacher_temperature for run in members]
    return Lessons(
        torch.stack(list(taught.values())),
        teacher,
        torch.tensor(temperature, dtype=torch.float64, device=rows.device),
        rows,
        len(data.labels),
    )


@torch.no_grad()
def _logits(results_dir: str, run_id: str, data: Resident) -> Tensor:
    """The logits [n,K] of a stored run for the train rows of ``data``, which are one member's."""
    teacher = restored(results_dir, run_id)
    network = teacher.network(data.images.shape[1:], data.classes, data.images.device)
    parts = torch.split(data.rows["train"], CHUNK, dim=1)
    return torch.cat([network(data.normalise(data.gather(rows), teacher.dtype)[0]) for rows in parts])


def missing(run: Run, called: str | None = None) -> str:
    """What to say where the teacher of ``run``, as the user ``called`` it, is not stored."""
    cell = run.method.teacher
    which = "this cell" if called in (None, cell) else f"its cell {cell}"
    return (
        f"method.teacher={called or cell}: no run of {which} with seed={run.seed} is stored in "
        f"{run.results_dir}; train it first: a student learns from the teacher of its own seed and split"
    )
