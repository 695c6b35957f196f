"""What teachers say of their students' training rows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lsbench.config import Run
from lsbench.errors import UsageError
from lsbench.store.runs import RunKey, find_records
from lsbench.terms import TeacherBatch
from lsbench.training.device_data import DeviceDataset
from lsbench.training.trained_model import CHUNK, read_stored_model


def teacher_key(run: Run) -> RunKey | None:
    """Where the teacher of ``run`` is found, if it has one."""
    cell = run.method.teacher
    return RunKey(run.results_dir, cell, run.seed) if cell else None


class TeacherLogits:
    """What each member's teacher says of its train rows, kept on the device: called with rows [M,B] of the
    data, the `TeacherBatch` on them.

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

    def __call__(self, rows: Tensor) -> TeacherBatch:
        flat = self.place.gather(1, rows).flatten()
        return TeacherBatch(self.logits.index_select(0, flat).view(*rows.shape, -1), self.temperature)


def load_teacher_logits(members: Sequence[Run], data: DeviceDataset, dtype: torch.dtype) -> TeacherLogits:
    """The lessons for a stack of ``members``, each from its own teacher's stored weights.

    A teacher sees the stored images as they are, without augmentation, and is asked once, alone, in eval mode
    and in its own precision: what it says depends neither on the stack nor on where a training was resumed.
    Raises `StorageError` where weights are missing or damaged, `UsageError` where there is no such run.
    """
    rows = data.rows["train"]
    records = find_records(map(teacher_key, members))
    taught: dict[RunKey | None, Tensor] = {}
    for member, run in enumerate(members):
        here = teacher_key(run)
        if here in taught:
            continue
        if here is None:
            taught[here] = torch.zeros(rows.shape[1], data.classes, dtype=dtype, device=rows.device)
        elif here in records:
            taught[here] = _logits(run.results_dir, records[here]["run"], data.for_member(member)).to(dtype)
        else:
            raise UsageError(missing_teacher(run))
    numbers = {here: number for number, here in enumerate(taught)}
    teacher = torch.tensor([numbers[teacher_key(run)] for run in members], device=rows.device)
    temperature = [run.method.teacher_temperature for run in members]
    return TeacherLogits(
        torch.stack(list(taught.values())),
        teacher,
        torch.tensor(temperature, dtype=torch.float64, device=rows.device),
        rows,
        len(data.labels),
    )


@torch.no_grad()
def _logits(results_dir: str, run_id: str, data: DeviceDataset) -> Tensor:
    """The logits [n,K] of a stored run for the train rows of ``data``, which are one member's."""
    teacher = read_stored_model(results_dir, run_id)
    network = teacher.network(data.images.shape[1:], data.classes, data.images.device)
    parts = torch.split(data.rows["train"], CHUNK, dim=1)
    return torch.cat([network(data.normalise(data.images_at(rows), teacher.dtype)[0]) for rows in parts])


def missing_teacher(run: Run, called: str | None = None) -> str:
    """What to say where the teacher of ``run``, as the user ``called`` it, is not stored."""
    cell = run.method.teacher
    which = "this cell" if called in (None, cell) else f"its cell {cell}"
    return (
        f"method.teacher={called or cell}: no run of {which} with seed={run.seed} is stored in "
        f"{run.results_dir}; train it first: a student learns from the teacher of its own seed and split"
    )
