"""Order runs so that teachers are trained and stored before their students."""

import logging
from collections.abc import Iterable, Sequence

from lsbench.errors import UsageError
from lsbench.execution import teachers
from lsbench.execution.plan import Job
from lsbench.execution.progress import SweepProgress
from lsbench.store import runs
from lsbench.store.runs import RunKey, find_records
from lsbench.terms import DONE, FAILED, Outcome
from lsbench.training import trained_model
from lsbench.training.teacher_logits import missing_teacher, teacher_key

log = logging.getLogger(__name__)


def by_dependency(jobs: Sequence[Job]) -> list[list[Job]]:
    """``jobs`` in waves, each of which has to be stored before the next one trains."""
    by_key = _by_key(jobs) if _students(jobs) else {}

    def depth(job: Job) -> int:
        teacher = teacher_key(job.run)
        return 1 + depth(by_key[teacher]) if teacher in by_key else 0

    waves: dict[int, list[Job]] = {}
    for job in jobs:
        waves.setdefault(depth(job), []).append(job)
    return [waves[number] for number in sorted(waves)]


def check_teachers(jobs: Sequence[Job], command: Sequence[Job]) -> None:
    """Raise `UsageError` if a teacher of ``jobs`` is neither done nor among the jobs of the ``command``, or
    does not fit, and `StorageError` if its weights are lost or its model is not trusted."""
    students = _students(jobs)
    records = find_records(key for _, key in students)
    in_command = _by_key(command) if students else {}
    for key, record in records.items():
        if record["status"] == DONE:
            trained_model.read_stored_model(key.results_dir, record["run"], [job.run for job in command])
    for job, key in students:
        if key in in_command:
            teachers.check_fit(job.run, job.splits.sha256, _expected(in_command[key]), job.teacher)
        elif key not in records:
            raise UsageError(missing_teacher(job.run, job.teacher))
        elif records[key]["status"] != DONE:
            raise UsageError(f"method.teacher={job.teacher or key.cell}: {_status(records[key])}")
        else:
            teachers.check_fit(job.run, job.splits.sha256, records[key], job.teacher)


def _expected(job: Job) -> runs.Record:
    """The fields about data of the record that a job will have."""
    data = {f"data.{name}": value for name, value in job.run.settings["data"].items()}
    return {"run": job.run_id, "data_sha256": job.splits.sha256, **data}


def _status(record: runs.Record) -> str:
    return f"{record['run']}, {record['status']}"


def with_finished_teachers(jobs: Sequence[Job], progress: SweepProgress) -> list[Job]:
    """The jobs whose teachers are done, or that have none; the others are stored as failed."""
    students, failed = _students(jobs), set()
    records = find_records(key for _, key in students)
    for job, key in students:
        record = records.get(key)
        if record and record["status"] == DONE:
            continue
        reason = f"its teacher, {_status(record)}" if record else missing_teacher(job.run, job.teacher)
        log.warning("%s: %s", job.run_id, reason)
        outcome = Outcome(FAILED, {}, error=reason)
        runs.write(job.run.results_dir, job.run, job.splits.sha256, outcome, "")
        progress.finish(job.run_id, job.run.epochs, 1, 1)
        failed.add(job.run_id)
    return [job for job in jobs if job.run_id not in failed]


def _students(jobs: Iterable[Job]) -> list[tuple[Job, RunKey]]:
    """The jobs that have a teacher, and its key in the store."""
    return [(job, key) for job in jobs if (key := teacher_key(job.run))]


def _by_key(jobs: Iterable[Job]) -> dict[RunKey, Job]:
    return {RunKey(job.run.results_dir, job.cell_id, job.run.seed): job for job in jobs}
