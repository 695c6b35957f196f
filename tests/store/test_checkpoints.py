"""Checkpoints of stacks: their members, and a state from which training resumes bit for bit."""

import json
import math
import os
from itertools import islice
from shutil import rmtree

import pytest
import torch

from lsbench.config import OptimConfig
from lsbench.errors import StorageError
from lsbench.store import checkpoints, runs
from lsbench.terms import Outcome
from lsbench.training.loop import Training
from lsbench.training.stack import Stack

CPU = torch.device("cpu")
PLAN = checkpoints.SavedStack(("a", "b"), 2)


@pytest.fixture(autouse=True)
def _one_thread():
    """One CPU thread: with two, these tests take 25 s instead of one if other programs use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def equal(a, b):
    """Return whether two nested containers of tensors and numbers are equal bit for bit; NaN equals NaN."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(7e77), b.nan_to_num(7e77))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b or (math.isnan(a) and math.isnan(b))


def final(training):
    """The final state and results of a training, without its time."""
    *position, _ = training.state()["position"]
    rest = {key: value for key, value in training.state().items() if key != "position"}
    trained = training.trained()
    return [
        position,
        rest,
        trained.logits,
        trained.labels,
        trained.history,
        trained.weights,
        trained.diverged_step,
    ]


def run_of(model, optimizer, make_run):
    settings = {
        "optim": OptimConfig(optimizer, warmup_epochs=1),
        "epochs": 2,
        "dropout": 0.3,
        "batch_size": 30,
    }
    return [
        make_run(model, **settings | {"lr": 0.01}),
        make_run(model, **settings | {"seed": 1, "augment": 0.5, "label_noise": 0.2, "weight_decay": 1e-3}),
        make_run(model, **settings | {"seed": 2, "lr": 1e200}),  # diverges in its first epoch
    ]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_a_stopped_stack_is_resumed_bit_for_bit(model, optimizer, splits, make_run, tmp_path):
    """The stack is stopped after its first step, within and at the end of an epoch, in evaluations, and three
    times in one training."""
    runs = run_of(model, optimizer, make_run)
    whole = Training(Stack(runs, splits, CPU))
    points = len(list(whole.run()))
    wanted, diverged_step = final(whole), whole.stack.diverged_step
    assert diverged_step.tolist()[:2] == [-1, -1] and diverged_step[2] in range(3)
    steps = whole.stack.steps_per_epoch
    assert points == 2 * (steps + 2) + 4 and steps == 3
    stops = [
        [1],
        [2],
        [steps],
        [steps + 1],
        [steps + 2],
        [steps + 3],
        [2 * steps + 2],
        [2 * steps + 3],
        [2 * steps + 4],
        [points],
        [2, 3, 1],
    ]
    for stops_of_a_run in stops if model == "mlp" else [[1], [steps], [steps + 1], [2, 2, 5]]:
        folder = tmp_path / "-".join(map(str, stops_of_a_run))
        for stop in [*stops_of_a_run, None]:
            training = Training(Stack(runs, splits, CPU))
            if state := checkpoints.load(folder, CPU):
                training.restore(state)
            taken = len(list(islice(training.run(), stop)))
            if stop:
                assert taken == stop
                checkpoints.save(folder, training.state())
        assert equal(final(training), wanted), stops_of_a_run


def test_a_checkpoint_is_written_as_one_file(splits, make_run, tmp_path):
    training = Training(Stack([make_run(seed=seed) for seed in (0, 1)], splits, CPU))
    list(islice(training.run(), 6))
    checkpoints.save(tmp_path / "stack", training.state())
    assert [path.name for path in (tmp_path / "stack").iterdir()] == ["state.pt"]
    assert equal(checkpoints.load(tmp_path / "stack", CPU), training.state())


class Harmful:
    def __reduce__(self):
        return os._exit, (66,)


def test_a_checkpoint_that_cannot_be_read_is_reported_and_ignored(tmp_path, caplog):
    assert checkpoints.load(tmp_path, CPU) is None and not caplog.messages
    checkpoints.save(tmp_path, {"weights": torch.arange(1000.0)})
    whole = (tmp_path / "state.pt").read_bytes()
    for content in (b"", b"text", whole[:-1], whole[:100]):
        (tmp_path / "state.pt").write_bytes(content)
        caplog.clear()
        assert checkpoints.load(tmp_path, CPU) is None
        assert f"{tmp_path / 'state.pt'}: cannot be read" in caplog.text
    torch.save({"weights": Harmful()}, tmp_path / "state.pt")
    assert checkpoints.load(tmp_path, CPU) is None, "and never run"


def test_plans_are_saved_until_their_stacks_are_dropped(tmp_path):
    reordered = checkpoints.SavedStack(("b", "a"), 1)
    for plan in (PLAN, reordered):
        checkpoints.save_stacks(tmp_path, [plan])
    assert sorted(checkpoints.saved_stacks(tmp_path), key=lambda plan: plan.run_ids) == [PLAN, reordered]
    for _ in range(2):
        checkpoints.drop(checkpoints.stack_dir(tmp_path, PLAN.run_ids))
    assert checkpoints.saved_stacks(tmp_path) == [reordered]


@pytest.mark.parametrize("damage", [{"runs": ["a"]}, {"runs": None}, {"threads": "many"}, {"threads": None}])
def test_a_damaged_plan_is_ignored(damage, tmp_path):
    checkpoints.save_stacks(tmp_path, [PLAN])
    [path] = tmp_path.rglob("plan.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | damage))
    assert checkpoints.saved_stacks(tmp_path) == []
    path.write_text(json.dumps(content))
    assert checkpoints.saved_stacks(tmp_path) == [PLAN]


def test_a_checkpoint_of_another_version_is_not_found(tmp_path, monkeypatch):
    before = checkpoints.stack_dir(tmp_path, PLAN.run_ids)
    monkeypatch.setattr(checkpoints, "STATE_VERSION", checkpoints.STATE_VERSION + 1)
    assert checkpoints.stack_dir(tmp_path, PLAN.run_ids) != before


def test_a_checkpoint_is_there_once_it_is_saved(tmp_path):
    assert not checkpoints.has_checkpoint(tmp_path / "stack")
    checkpoints.save(tmp_path / "stack", {})
    assert checkpoints.has_checkpoint(tmp_path / "stack")


@pytest.fixture
def members(make_run):
    return [(make_run(seed=seed), "d" * 64) for seed in (0, 1)]


FAILED = [Outcome("failed", {}, error="why")] * 2


def test_the_runs_of_a_stack_are_stored_and_its_folder_is_removed(members, tmp_path):
    folder = checkpoints.stack_dir(tmp_path, ["a", "b"])
    checkpoints.save(folder, {})
    checkpoints.store_runs(tmp_path, folder, members, FAILED, "cpu")
    stored = [runs.read(tmp_path, run.run_id(data_sha256)) for run, data_sha256 in members]
    assert [(record["seed"], record["error"]) for record in stored] == [(0, "why"), (1, "why")]
    assert not folder.exists()


def test_no_run_of_a_stack_is_stored_if_the_disk_is_full(members, tmp_path, monkeypatch):
    folder = checkpoints.stack_dir(tmp_path, ["a", "b"])
    write = runs.write

    def full(results_dir, run, *others):
        if run.seed == 1:
            raise StorageError("disk full")
        return write(results_dir, run, *others)

    monkeypatch.setattr(runs, "write", full)
    with pytest.raises(StorageError, match="disk full"):
        checkpoints.store_runs(tmp_path, folder, members, FAILED, "cpu")
    assert not runs.record_files(tmp_path) and not list(folder.iterdir())


def test_staged_runs_are_recovered(members, tmp_path):
    folder = checkpoints.stack_dir(tmp_path, ["a", "b"])
    run, data_sha256 = members[0]
    runs.write(folder / "rows", run, data_sha256, FAILED[0], "cpu")
    checkpoints.recover(tmp_path)
    assert runs.read(tmp_path, run.run_id(data_sha256))["error"] == "why"
    assert not checkpoints.stacks_dir(tmp_path).exists()


def test_nothing_is_left_if_another_process_stores_the_staged_runs_first(tmp_path, monkeypatch):
    folder = checkpoints.stacks_dir(tmp_path) / "0123456789ab"
    (folder / "rows").mkdir(parents=True)
    hold = checkpoints.hold

    def removed_meanwhile(folder, wait):
        rmtree(folder)
        return hold(folder, wait=wait)

    monkeypatch.setattr(checkpoints, "hold", removed_meanwhile)
    checkpoints.recover(tmp_path)
    assert not runs.record_files(tmp_path) and not checkpoints.stacks_dir(tmp_path).exists()


def test_the_lock_of_a_killed_process_is_removed(tmp_path):
    """A process was killed between removing its stack and its lock, or before it made the stack."""
    lock = checkpoints.stacks_dir(tmp_path) / "0123456789ab.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with checkpoints.hold(lock.with_suffix("")):
        checkpoints.recover(tmp_path)
        assert lock.exists(), "it is held"
    lock.parent.mkdir(parents=True)
    lock.touch()
    checkpoints.recover(tmp_path)
    assert not lock.parent.exists()


def test_no_plan_is_saved_for_a_stack_that_another_process_holds(tmp_path):
    folder = checkpoints.stack_dir(tmp_path, PLAN.run_ids)
    with checkpoints.hold(folder):
        checkpoints.save_stacks(tmp_path, [PLAN])
        assert not folder.exists()
    checkpoints.save_stacks(tmp_path, [PLAN])
    assert checkpoints.saved_stacks(tmp_path) == [PLAN]
