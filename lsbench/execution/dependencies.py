"""Runs that learn from others wait for these."""

import logging
from collections.abc import Iterable, Sequence

from lsbench.errors import UsageError
from lsbench.execution import teachers
from lsbench.execution.plan import Job
from lsbench.execution.progress import SweepProgress
from lsbench.store import runs
from lsbench.store.runs import RunKey, find_records
from lsbench.terms import Outcome
from lsbench.training import trained_model
from lsbench.training.teacher_logits import missing_teacher, teacher_key

log = logging.getLogger(__name__)


def by_dependency(jobs: Sequence[Job]) -> list[list[Job]]:
    """``jobs`` in parts, of which each is to be stored before the next is trained."""
    by_place = _by_place(jobs) if _students(jobs) else {}

    def depth(job: Job) -> int:
        teacher = teacher_key(job.run)
        return 1 + depth(by_place[teacher]) if teacher in by_place else 0

    parts: dict[int, list[Job]] = {}
    for job in jobs:
        parts.setdefault(depth(job), []).append(job)
    return [parts[number] for number in sorted(parts)]


def check_teachers(jobs: Sequence[Job], asked: Sequence[Job]) -> None:
    """Raise `UsageError` where the teacher of one of ``jobs`` is neither done nor among those that the user
    ``asked`` for, or does not fit, and `StorageError` where its weights are lost."""
    students = _students(jobs)
    found = find_records(key for _, key in students)
    beside = _by_place(asked) if students else {}
    for key, record in found.items():
        if record["status"] == "done":
            trained_model.read_stored_model(key.results_dir, record["run"])
    for job, key in students:
        if key in beside:
            teachers.check_fit(job.run, job.splits.sha256, _facts(beside[key]), job.teacher)
        elif key not in found:
            raise UsageError(missing_teacher(job.run, job.teacher))
        elif found[key]["status"] != "done":
            raise UsageError(f"method.teacher={job.teacher or key.cell}: {_fate(found[key])}")
        else:
            teachers.check_fit(job.run, job.splits.sha256, found[key], job.teacher)


def _facts(job: Job) -> runs.Record:
    """What the record of a run that is not trained yet will say of its data."""
    data = {f"data.{name}": value for name, value in job.run.settings["data"].items()}
    return {"run": job.run_id, "data_sha256": job.splits.sha256, **data}


def _fate(record: runs.Record) -> str:
    return f"{record['run']}, {record['status']}"


def with_finished_teachers(jobs: Sequence[Job], board: SweepProgress) -> list[Job]:
    """Those whose teachers are done; the others are stored as failed."""
    students, lost = _students(jobs), set()
    found = find_records(key for _, key in students)
    for job, key in students:
        record = found.get(key)
        if record and record["status"] == "done":
            continue
        reason = f"its teacher, {_fate(record)}" if record else missing_teacher(job.run, job.teacher)
        log.warning("%s: %s", job.run_id, reason)
        outcome = Outcome("failed", {}, error=reason)
        runs.write(job.run.results_dir, job.run, job.splits.sha256, outcome, "")
        board.finish(job.run_id, job.run.epochs, 1, 1)
        lost.add(job.run_id)
    return [job for job in jobs if job.run_id not in lost]


def _students(jobs: Iterable[Job]) -> list[tuple[Job, RunKey]]:
    """Those that have a teacher, and where that is found."""
    return [(job, key) for job in jobs if (key := teacher_key(job.run))]


def _by_place(jobs: Iterable[Job]) -> dict[RunKey, Job]:
    return {RunKey(job.run.results_dir, job.cell_id, job.run.seed): job for job in jobs}
