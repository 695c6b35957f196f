"""Teacher logits against the plain model with the stored weights, and the checks of teachers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lsbench.config import MethodConfig
from lsbench.errors import StorageError, UsageError
from lsbench.execution import teachers
from lsbench.store import runs
from lsbench.store.runs import find_records
from lsbench.training import evaluate, loop, stack
from lsbench.training.device_data import DeviceDataset
from lsbench.training.stack import Stack
from lsbench.training.teacher_logits import teacher_key

CPU = torch.device("cpu")


def train(members, splits):
    return loop.train(Stack(members, splits, CPU))


def taught(cell, weight=0.9, temperature=4.0):
    return {"method": MethodConfig("distillation", {"distillation": weight}, cell, temperature)}


@pytest.fixture
def store(tmp_path, make_run, splits):
    """Train and store a run; return its record."""

    def stored(name="mlp", **settings):
        run = make_run(name, results_dir=str(tmp_path), **settings)
        [outcome] = evaluate.evaluate(train([run], splits))
        return runs.write(tmp_path, run, splits.sha256, outcome, "cpu")

    return stored


@pytest.fixture
def student(tmp_path, make_run):
    def make(**settings):
        model = {"name": "mlp", "_target_": "lsbench.models.mlp.MLP", "hidden": [5]}
        return replace(make_run(results_dir=str(tmp_path), **settings), model=model)

    return make


def test_teacher_logits_are_those_of_the_plain_model_on_clean_images(store, student, splits, tmp_path):
    """The reference is torch's layers on pixels that numpy normalises; only the student has augmentation."""
    record = store(seed=3, alpha=0.1, dropout=0.3, augment=1.0)
    run = student(seed=3, augment=1.0, **taught(record["cell"], temperature=2.5))
    data = DeviceDataset(splits, run.data, [3], CPU)
    rows = data.rows["train"][0]
    pixels = splits.train_images[rows.numpy()] / 1.0
    plain = nn.Sequential(nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    weights = torch.load(runs.run_dir(tmp_path, record["run"]) / "model.pt", weights_only=True)
    plain.load_state_dict(dict(zip(plain.state_dict(), weights.values(), strict=True)))
    expected = plain(torch.from_numpy((pixels - pixels.mean()) / pixels.std())).detach()
    teacher = Stack([run], splits, CPU).teacher_logits(rows[None].flip(1))
    torch.testing.assert_close(teacher.logits[0], expected.flip(0), rtol=1e-9, atol=1e-9)
    assert teacher.temperature.tolist() == [2.5] and np.abs(expected.numpy()).max() > 0.1


def test_each_member_learns_from_its_own_teacher(store, student, splits):
    """Two teachers of different seeds, one of them convolutional, and a member without a teacher."""
    plain, smoothed = store(seed=1), store("resnet8", seed=2, alpha=0.2, epochs=1)
    members = [
        student(seed=1, **taught(plain["cell"], 0.9, 4.0)),
        student(seed=2, alpha=0.1, **taught(smoothed["cell"], 0.5, 1.0)),
        student(seed=2, dropout=0.2),
    ]
    together = train(members, splits)
    for position, run in enumerate(members):
        alone = train([run], splits)
        for name, weights in alone.weights[0].items():
            assert (together.weights[position][name] - weights).abs().max() <= 1e-12
        assert (together.logits["test"][position] - alone.logits["test"][0]).abs().max() <= 1e-12
    untaught = train([student(seed=1)], splits)
    assert (untaught.logits["test"][0] - together.logits["test"][0]).abs().max() > 1e-3


@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-12), ("fp32", 1e-5)])
def test_a_member_without_a_teacher_trains_as_in_a_stack_without_teachers(
    precision, tolerance, store, student, splits
):
    cell = store(seed=0)["cell"]
    common = {"alpha": 0.1, "augment": 1.0, "precision": precision}
    plain = train([student(seed=4, **common), student(seed=0, **common)], splits)
    beside = train([student(seed=4, **common), student(seed=0, **common, **taught(cell))], splits)
    for name, weights in plain.weights[0].items():
        assert (weights - beside.weights[0][name]).abs().max() <= tolerance
    losses = [[row["train_loss"] for row in trained.history[0]] for trained in (plain, beside)]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    assert plain.history[1] != beside.history[1]


def test_a_stack_without_a_teacher_loads_no_teacher_logits(student, splits, monkeypatch):
    monkeypatch.setattr(stack, "load_teacher_logits", lambda *arguments: pytest.fail("asked"))
    assert Stack([student(seed=1, alpha=0.1)], splits, CPU).teacher_logits is None


def test_a_teacher_named_as_a_run_is_its_cell_and_each_seed_has_its_own(store, student, splits):
    records = [store(seed=seed, epochs=1) for seed in (0, 1)]
    assert records[0]["cell"] == records[1]["cell"]
    by_run = teachers.resolve_teacher(student(seed=1, **taught(records[0]["run"])))
    assert by_run == student(seed=1, **taught(records[0]["cell"]))
    assert teachers.resolve_teacher(by_run) == by_run
    key, other_key = (teacher_key(student(seed=seed, **taught(records[0]["cell"]))) for seed in (1, 2))
    assert {stored.seed: record["run"] for stored, record in find_records([key, other_key]).items()} == {
        1: records[1]["run"]
    }


def test_members_with_the_same_teacher_share_its_logits(store, student, splits):
    """Four members of two seeds, in turns, and one without a teacher: three tables of logits, not five."""
    records = [store(seed=seed, epochs=1) for seed in (0, 1)]
    cell = records[0]["cell"]
    members = [student(seed=seed, alpha=alpha, **taught(cell)) for alpha in (0, 0.1) for seed in (0, 1)]
    members.append(student(seed=1))
    stacked = Stack(members, splits, CPU)
    rows = stacked.data.rows["train"]
    assert stacked.teacher_logits.logits.shape == (3 * rows.shape[1], 3)
    teacher = stacked.teacher_logits(rows.flip(1))
    for position, run in enumerate(members[:4]):
        alone = Stack([run], splits, CPU).teacher_logits(rows[position, None].flip(1))
        assert torch.equal(teacher.logits[position], alone.logits[0]) and alone.logits.abs().max() > 0.1
    assert not teacher.logits[4].any() and not torch.equal(teacher.logits[0], teacher.logits[1])


def test_find_records_reads_each_record_once(store, student, monkeypatch):
    """The teacher's record is read again: it may have failed and been trained since."""
    records = [store(seed=3, alpha=alpha, epochs=1) for alpha in (0, 0.1, 0.2)]
    wanted = teacher_key(student(seed=3, **taught(records[1]["cell"])))
    assert find_records([wanted]) == {wanted: records[1]}
    ids_read, read = [], runs.read
    monkeypatch.setattr(runs, "read", lambda *key: ids_read.append(key[1]) or read(*key))
    later = store(seed=3, alpha=0.3, epochs=1)
    assert find_records([wanted]) == {wanted: records[1]}
    assert sorted(ids_read) == sorted([records[1]["run"], later["run"]])


def test_a_run_that_does_not_distil_has_no_teacher(store, student):
    record = store(epochs=1)
    off = teachers.resolve_teacher(student(**taught(record["run"], weight=0.0, temperature=2.0)))
    assert off.run_id("d") == student().run_id("d")


def test_teacher_and_temperature_are_part_of_a_runs_identity(student):
    students = [student(**taught(*teacher)) for teacher in (["c1"], ["c2"], ["c1", 0.9, 2.0])]
    assert len({run.run_id("d") for run in students}) == 3
    assert students[0].cell_id("d") == replace(students[0], seed=7).cell_id("d")
    assert "-distillation-" in students[0].run_id("d")


def test_a_student_needs_a_teacher_and_a_teacher_a_student(student):
    with pytest.raises(UsageError, match=r"distillation=0\.5: needs a teacher; add method\.teacher=RUN"):
        teachers.check_teacher(student(method=MethodConfig("distillation", {"distillation": 0.5})))
    unused = student(method=MethodConfig("none", {}, "c12345678"))
    with pytest.raises(UsageError, match="c12345678: is set but unused; add method=distillation"):
        teachers.check_unused_teacher([student(), unused])
    assert teachers.resolve_teacher(unused).run_id("d") == student().run_id("d")
    for fine in (student(**taught("c12345678")), student(**taught("c12345678", weight=0.0)), student()):
        teachers.check_teacher(fine)
        teachers.check_unused_teacher([fine])
    teachers.check_unused_teacher([unused, student(**taught("c12345678"))])


def test_an_unknown_teacher_is_an_error_with_a_suggestion(store, student):
    record = store(epochs=1)
    with pytest.raises(UsageError, match=f"no such run in .*; did you mean {record['run']}"):
        teachers.resolve_teacher(student(**taught(record["run"][:-1])))


def test_a_teacher_of_other_data_or_another_split_does_not_fit(store, student, splits):
    record = store(epochs=1)
    run = student(**taught(record["cell"]))
    teachers.check_fit(run, splits.sha256, record)
    with pytest.raises(UsageError, match="was trained on other data than data=tiny"):
        teachers.check_fit(run, "0" * 64, record)
    for name in ("train", "select", "calibrate", "test"):
        other_split = replace(run, data=replace(run.data, **{name: 13}))
        with pytest.raises(UsageError, match=rf"has data\.{name}=.* another split"):
            teachers.check_fit(other_split, splits.sha256, record)
    shifted = replace(run, data=replace(run.data, shift=1, flip=False))
    teachers.check_fit(shifted, splits.sha256, record)


def test_a_teacher_without_weights_is_an_error(store, student, splits, tmp_path):
    record = store(epochs=1)
    (runs.run_dir(tmp_path, record["run"]) / "model.pt").write_bytes(b"")
    with pytest.raises(StorageError, match=r"model\.pt: has changed since it was stored"):
        Stack([student(**taught(record["cell"]))], splits, CPU)
    with pytest.raises(UsageError, match="seed=5"):
        Stack([student(seed=5, **taught(record["cell"]))], splits, CPU)


def test_teacher_logits_have_the_teachers_precision(store, student, splits):
    record = store(seed=2, precision="fp32")
    teacher_logits = Stack([student(seed=2, **taught(record["cell"]))], splits, CPU).teacher_logits
    assert teacher_logits.logits.dtype == torch.float64
    assert torch.equal(teacher_logits.logits, teacher_logits.logits.float().double())
