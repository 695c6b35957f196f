"""Students and teachers in one sweep: the order of training, and teachers that fail or are missing."""

from dataclasses import replace

import pytest
import torch

from lsbench.config import MethodConfig
from lsbench.errors import StorageError, UsageError
from lsbench.execution import dependencies, dry_run
from lsbench.execution.execute import execute
from lsbench.execution.plan import Job, plan_stacks, with_data
from lsbench.store import checkpoints, runs
from lsbench.training import loop
from lsbench.training.stack import Stack


@pytest.fixture
def job(splits, make_run, tmp_path):
    def make(teacher: Job | str | None = None, **settings):
        run = make_run(results_dir=str(tmp_path), **settings)
        if teacher is not None:
            cell = teacher if isinstance(teacher, str) else teacher.cell_id
            run = replace(run, method=MethodConfig("distillation", {"distillation": 0.9}, cell))
        return Job(run, splits)

    return make


def statuses(jobs):
    return [runs.read(job.run.results_dir, job.run_id)["status"] for job in jobs]


def test_students_train_after_their_teachers(job):
    teachers = [job(seed=0), job(seed=1)]
    students = [job(teachers[0], seed=seed, alpha=0.1) for seed in (0, 1)]
    grandstudents = [job(student, seed=student.run.seed) for student in students]
    others = [job(seed=0, alpha=0.2)]
    jobs = [*grandstudents, *students, *others, *teachers]
    assert dependencies.by_dependency(jobs) == [[*others, *teachers], students, grandstudents]
    assert dependencies.by_dependency([*students, *others]) == [[*students, *others]]
    assert dependencies.by_dependency([*grandstudents, students[0]]) == [
        [grandstudents[1], students[0]],
        [grandstudents[0]],
    ]


def test_teachers_of_a_sweep_train_before_its_students(job, monkeypatch):
    teachers = [job(seed=seed) for seed in (0, 1)]
    students = [job(teachers[0], seed=seed) for seed in (0, 1)]
    trained, run = [], loop.Training.run

    def recorded(training):
        trained.append((training.stack.size, training.stack.teacher_logits is not None))
        return run(training)

    monkeypatch.setattr(loop.Training, "run", recorded)
    assert dry_run.preview([*students, *teachers]).startswith("4 runs: 0 stored, 4 to train\n")
    execute([*students, *teachers])
    assert trained == [(2, False), (2, True)]
    assert statuses([*students, *teachers]) == ["done"] * 4
    execute([*students, *teachers])
    assert len(trained) == 2
    record = runs.read(students[0].run.results_dir, students[0].run_id)
    assert record["method"] == "distillation" and record["distillation"] == 0.9
    assert (record["method.teacher"], record["teacher_temperature"]) == (teachers[0].cell_id, 4.0)


def test_a_diverged_teacher_fails_its_own_students_only(job):
    good, bad = job(seed=0), job(seed=0, lr=1e30)
    students = [job(good, seed=0), job(bad, seed=0)]
    for _ in range(2):
        execute([good, bad, *students])
        assert statuses([good, bad, *students]) == ["done", "diverged", "done", "failed"]
        assert (
            f"its teacher, {bad.run_id}, diverged"
            in runs.read(bad.run.results_dir, students[1].run_id)["error"]
        )
    with pytest.raises(UsageError, match=f"{bad.run_id}, diverged"):
        execute(students)


@pytest.mark.parametrize("look", [execute, dry_run.preview])
def test_a_missing_or_unfit_teacher_is_an_error_before_anything_trains(look, job, tmp_path, monkeypatch):
    teacher = job(seed=0, epochs=1)
    execute([teacher])
    monkeypatch.setattr(loop.Training, "run", lambda training: pytest.fail("trained"))
    plain = job(seed=5)
    with pytest.raises(UsageError, match="no run of this cell with seed=1 is stored"):
        look([plain, job(teacher, seed=1)])
    small = job(teacher, seed=0)
    small = Job(replace(small.run, data=replace(small.run.data, calibrate=19)), small.splits)
    for jobs in ([plain, small], [plain, small, teacher]):
        with pytest.raises(UsageError, match=r"has data\.calibrate=20 and so another split"):
            look(jobs)
    (tmp_path / "runs" / teacher.run_id / "model.pt").unlink()
    with pytest.raises(StorageError, match=r"model\.pt: cannot be read"):
        look([plain, job(teacher, seed=0)])
    assert {path.name for path in tmp_path.glob("runs/*/")} == {teacher.run_id}


def test_errors_name_a_teacher_as_the_user_wrote_it(job, splits, tmp_path, monkeypatch):
    """The user names a run; the student stores its cell."""
    teacher, bad = job(seed=0, epochs=1), job(seed=0, lr=1e30)
    execute([teacher, bad])
    monkeypatch.setattr("lsbench.execution.plan.load", lambda config: splits)

    def student(of, **settings):
        plain = job(of, **settings).run
        [named] = with_data([replace(plain, method=replace(plain.method, teacher=of.run_id))])
        [by_cell] = with_data([plain])
        assert named == by_cell and named.run_id == by_cell.run_id
        return named

    with pytest.raises(UsageError, match=f"={teacher.run_id}: no run of its cell {teacher.cell_id} with"):
        execute([student(teacher, seed=1)])
    with pytest.raises(UsageError, match=f"method.teacher={bad.run_id}: {bad.run_id}, diverged"):
        execute([student(bad, seed=0)])
    data = replace(teacher.run.data, calibrate=19)
    with pytest.raises(UsageError, match=f"method.teacher={teacher.run_id}: .* another split"):
        execute([student(teacher, seed=0, data=data)])


def test_a_student_is_resumed_bit_for_bit(job, splits, caplog):
    """Teacher logits are not in the checkpoint; they are computed again."""
    teacher = job(seed=0)
    execute([teacher])
    student = job(teacher, seed=0, augment=1.0, dropout=0.2)
    whole = loop.train(Stack([student.run], splits, torch.device("cpu")))
    [plan] = plan_stacks([student])
    training = loop.Training(Stack([student.run], splits, torch.device("cpu")))
    for _ in training.run():
        if training.stack.optimizer.steps == 7:  # in the second epoch
            checkpoints.save(plan.folder, training.state())
            break
    with caplog.at_level("INFO"):
        execute([student])
    assert "resuming after 7 steps" in caplog.text
    weights = torch.load(
        runs.run_dir(student.run.results_dir, student.run_id) / "model.pt", weights_only=True
    )
    assert all(torch.equal(weights[name], whole.weights[0][name]) for name in weights)
