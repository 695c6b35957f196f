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
    if all(job.run.method.teacher is None for job in jobs):
        return [list(jobs)]
    by_place = _by_place(jobs)

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
    students = [job for job in jobs if job.run.method.teacher]
    if not students:
        return
    found, beside = teachers.find(teachers.place(job.run) for job in students), _by_place(asked)
    for at, record in found.items():
        if record["status"] == "done":
            restore.stored(at.results_dir, record["run"])
    for job in students:
        place = teachers.place(job.run)
        assert place is not None
        if place in beside:
            teachers.check_fit(job.run, job.splits.sha256, _facts(beside[place]))
        elif place not in found:
            raise UsageError(teachers.missing(job.run))
        elif found[place]["status"] != "done":
            raise UsageError(f"method.teacher={place.cell}: {_fate(found[place])}")
        else:
            teachers.check_fit(job.run, job.splits.sha256, found[place])


def _facts(job: Job) -> runs.Record:
    """What the record of a run that is not trained yet will say of its data."""
    data = {f"data.{name}": value for name, value in job.run.settings["data"].items()}
    return {"run": job.run_id, "data_sha256": job.splits.sha256, **data}


def _fate(record: runs.Record) -> str:
    return f"{record['run']}, {record['status']}"


def ready(jobs: Sequence[Job], board: Board) -> list[Job]:
    """Those whose teachers are done; the others are stored as failed."""
    students = [job for job in jobs if job.run.method.teacher]
    if not students:
        return list(jobs)
    found, lost = teachers.find(teachers.place(job.run) for job in students), set()
    for job in students:
        place = teachers.place(job.run)
        assert place is not None
        record = found.get(place)
        if record and record["status"] == "done":
            continue
        reason = f"its teacher, {_fate(record)}" if record else teachers.missing(job.run)
        log.warning("%s: %s", job.run_id, reason)
        outcome = Outcome("failed", {}, error=reason)
        runs.write(job.run.results_dir, job.run, job.splits.sha256, outcome, "")
        board.stored(job.run_id, job.run.epochs, 1, 1)
        lost.add(job.run_id)
    return [job for job in jobs if job.run_id not in lost]


def _by_place(jobs: Iterable[Job]) -> dict[Place, Job]:
    return {Place(job.run.results_dir, job.cell_id, job.run.seed): job for job in jobs}
