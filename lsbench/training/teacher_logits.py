"""Logits of teachers on their students' training rows, for distillation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lsbench.config import Run
from lsbench.errors import UsageError
from lsbench.store.runs import RunKey, find_records
from lsbench.terms import TeacherBatch
from lsbench.training.device_data import EVALUATION_ROWS, DeviceDataset
from lsbench.training.trained_model import StoredModel, read_stored_model


def teacher_key(run: Run) -> RunKey | None:
    """The key of the stored run that teaches ``run``, None if it has no teacher."""
    cell = run.method.teacher
    return RunKey(run.results_dir, cell, run.seed) if cell else None


class TeacherLogits:
    """The teacher logits of every member's train rows, on the device; called with rows [M,B] of the data set,
    it returns the `TeacherBatch` for them.

    ``logits`` [T,n,K] are those of T teachers; ``teacher`` [M] is the index of each member's teacher. They
    belong to each member's train rows ``rows`` [M,n] in a data set of ``total`` rows.
    """

    def __init__(self, logits: Tensor, teacher: Tensor, temperature: Tensor, rows: Tensor, total: int):
        _, count, classes = logits.shape
        self.logits, self.temperature = logits.reshape(-1, classes), temperature
        index = teacher[:, None] * count + torch.arange(count, device=rows.device)
        # from a row of the data set to its row of ``self.logits`` [M,total]
        self.index = torch.zeros(len(rows), total, dtype=torch.int64, device=rows.device)
        self.index.scatter_(1, rows, index)

    def __call__(self, rows: Tensor) -> TeacherBatch:
        index = self.index.gather(1, rows).flatten()
        return TeacherBatch(self.logits.index_select(0, index).view(*rows.shape, -1), self.temperature)


def load_teacher_logits(members: Sequence[Run], data: DeviceDataset, dtype: torch.dtype) -> TeacherLogits:
    """The teacher logits for a stack of ``members``, each from the stored weights of its own teacher.

    A teacher is evaluated once and by itself, on the stored images without augmentation, in eval mode and in
    its own precision. So its logits depend neither on the stack nor on the step at which a training is
    resumed. Raises `StorageError` if weights are missing or damaged, `UsageError` if there is no such run.
    """
    rows = data.rows["train"]
    keys = [teacher_key(run) for run in members]
    records = find_records(keys)
    logits: dict[RunKey | None, Tensor] = {}
    for member, (run, key) in enumerate(zip(members, keys, strict=True)):
        if key in logits:
            continue
        if key is None:
            logits[key] = torch.zeros(rows.shape[1], data.classes, dtype=dtype, device=rows.device)
        elif key in records:
            record = records[key]
            teacher = read_stored_model(run.results_dir, record["run"], members)
            logits[key] = _train_logits(teacher, data.for_member(member)).to(dtype)
        else:
            raise UsageError(missing_teacher(run))
    index = {key: number for number, key in enumerate(logits)}
    temperature = [run.method.teacher_temperature for run in members]
    return TeacherLogits(
        torch.stack(list(logits.values())),
        torch.tensor([index[key] for key in keys], device=rows.device),
        torch.tensor(temperature, dtype=torch.float64, device=rows.device),
        rows,
        len(data.labels),
    )


@torch.no_grad()
def _train_logits(teacher: StoredModel, data: DeviceDataset) -> Tensor:
    """The teacher's logits [n,K] for the train rows of ``data``, which has a single member."""
    network = teacher.network(data.images.shape[1:], data.classes, data.images.device)
    chunks = torch.split(data.rows["train"], EVALUATION_ROWS, dim=1)
    return torch.cat([network(data.normalise(data.images_at(rows), teacher.dtype)[0]) for rows in chunks])


def missing_teacher(run: Run, given: str | None = None) -> str:
    """The error message for a teacher of ``run`` that is not stored; ``given`` is the user's value of
    method.teacher."""
    cell = run.method.teacher
    which = "this cell" if given in (None, cell) else f"its cell {cell}"
    return (
        f"method.teacher={given or cell}: no run of {which} with seed={run.seed} is stored in "
        f"{run.results_dir}; train it first: a student learns from the teacher of its own seed and split"
    )
