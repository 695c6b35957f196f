"""Runs that learn from others wait for these."""

import logging
from collections.abc import Iterable, Sequence

from lsbench import restore, runs, teachers
from lsbench.plan import Job
from lsbench.progress import Board
from lsbench.teachers import Place
from lsbench.terms import Outcome, UsageError

log = logging.getLogger(__name__)


def waves(jobs: Sequence[Job]) -> list[list[Job]]:
    """``jobs`` in parts, of which each is to be stored before the next is trained."""
    by_place = _by_place(jobs) if _students(jobs) else {}

    def depth(job: Job) -> int:
        place = teachers.place(job.run)
        return 1 + depth(by_place[place]) if place in by_place else 0

    parts: dict[int, list[Job]] = {}
    for job in jobs:
        parts.setdefault(depth(job), []).append(job)
    return [parts[number] for number in sorted(parts)]


def check(jobs: Sequence[Job], asked: Sequence[Job]) -> None:
    """Raise `UsageError` where the teacher of one of ``jobs`` is neither done nor among those that the user
    ``asked`` for, or does not fit, and `StorageError` where its weights are lost."""
    students = _students(jobs)
    found = teachers.find(place for _, place in students)
    beside = _by_place(asked) if students else {}
    for place, record in found.items():
        if record["status"] == "done":
            restore.restored(place.results_dir, record["run"])
    for job, place in students:
        if place in beside:
            teachers.check_fit(job.run, job.splits.sha256, _facts(beside[place]), job.teacher)
        elif place not in found:
            raise UsageError(teachers.missing(job.run, job.teacher))
        elif found[place]["status"] != "done":
            raise UsageError(f"method.teacher={job.teacher or place.cell}: {_fate(found[place])}")
        else:
            teachers.check_fit(job.run, job.splits.sha256, found[place], job.teacher)


def _facts(job: Job) -> runs.Record:
    """What the record of a run that is not trained yet will say of its data."""
    data = {f"data.{name}": value for name, value in job.run.settings["data"].items()}
    return {"run": job.run_id, "data_sha256": job.splits.sha256, **data}


def _fate(record: runs.Record) -> str:
    return f"{record['run']}, {record['status']}"


def ready(jobs: Sequence[Job], board: Board) -> list[Job]:
    """Those whose teachers are done; the others are stored as failed."""
    students, lost = _students(jobs), set()
    found = teachers.find(place for _, place in students)
    for job, place in students:
        record = found.get(place)
        if record and record["status"] == "done":
            continue
        reason = f"its teacher, {_fate(record)}" if record else teachers.missing(job.run, job.teacher)
        log.warning("%s: %s", job.run_id, reason)
        outcome = Outcome("failed", {}, error=reason)
        runs.write(job.run.results_dir, job.run, job.splits.sha256, outcome, "")
        board.settle(job.run_id, job.run.epochs, 1, 1)
        lost.add(job.run_id)
    return [job for job in jobs if job.run_id not in lost]


def _students(jobs: Iterable[Job]) -> list[tuple[Job, Place]]:
    """Those that have a teacher, and where that is found."""
    return [(job, place) for job in jobs if (place := teachers.place(job.run))]


def _by_place(jobs: Iterable[Job]) -> dict[Place, Job]:
    return {Place(job.run.results_dir, job.cell_id, job.run.seed): job for job in jobs}
