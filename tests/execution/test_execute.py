import gc
import weakref
from dataclasses import replace

import pytest
import torch

from lsbench import methods
from lsbench.config import MethodConfig
from lsbench.errors import UsageError
from lsbench.execution import plan
from lsbench.execution.execute import execute
from lsbench.execution.plan import Job
from lsbench.store import runs
from lsbench.terms import Method
from lsbench.training import loop, stack


def test_every_run_is_stored_and_none_is_trained_twice(splits, make_run, tmp_path, monkeypatch):
    trained, run = [], loop.Training.run
    monkeypatch.setattr(
        loop.Training, "run", lambda self: trained.extend(self.stack.seeds.tolist()) or run(self)
    )
    jobs = [Job(make_run(seed=seed, results_dir=str(tmp_path)), splits) for seed in (0, 1, 1)]
    execute(jobs)
    assert trained == [0, 1]
    execute([*jobs, Job(make_run(seed=2, results_dir=str(tmp_path)), splits)])
    assert trained == [0, 1, 2]
    records = [runs.read(tmp_path, job.run_id) for job in jobs]
    assert [record["status"] for record in records] == ["done"] * 3
    assert records[0]["stack_size"] == 2 and records[0]["train_seconds"] > 0
    assert records[0]["n_train"] == 66 and records[0]["n_test"] == 14


def test_a_stack_that_fails_is_stored_as_failed_and_tried_again(splits, make_run, tmp_path, monkeypatch):
    run = loop.Training.run

    def fails_for_seed_1(training):
        if training.stack.seeds[0] == 1:
            raise RuntimeError("no luck\nat all")
        return run(training)

    jobs = [
        Job(make_run("resnet8", seed=seed, epochs=1, results_dir=str(tmp_path)), splits) for seed in (0, 1, 2)
    ]
    monkeypatch.setattr(loop.Training, "run", fails_for_seed_1)
    execute(jobs)
    records = [runs.read(tmp_path, job.run_id) for job in jobs]
    assert [record["status"] for record in records] == ["done", "failed", "done"]
    assert records[1]["error"] == "RuntimeError: no luck"
    monkeypatch.setattr(loop.Training, "run", run)
    execute(jobs)
    assert runs.read(tmp_path, jobs[1].run_id)["status"] == "done"


def test_out_of_memory_halves_the_stack(splits, make_run, tmp_path, monkeypatch):
    run, tried = loop.Training.run, []

    def fits_two(training):
        tried.append(training.stack.size)
        if training.stack.size > 2:
            raise torch.OutOfMemoryError("full")
        return run(training)

    monkeypatch.setattr(loop.Training, "run", fits_two)
    jobs = [Job(make_run(seed=seed, epochs=1, results_dir=str(tmp_path)), splits) for seed in range(7)]
    execute(jobs)
    assert tried == [7, 3, 1, 2, 4, 2, 2]
    assert {runs.read(tmp_path, job.run_id)["stack_size"] for job in jobs} == {1, 2}


def test_a_stack_that_is_too_large_is_freed_before_its_halves_train(splits, make_run, tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), []
    steps = stack.Stack.steps

    def full_above_two(self, epoch, first=0):
        alive.add(self)
        most.append(len(alive))
        if self.size > 2:
            raise torch.OutOfMemoryError("full")
        return steps(self, epoch, first)

    monkeypatch.setattr(stack.Stack, "steps", full_above_two)
    gc.disable()  # what only the collector would free is memory that the halves do not have
    try:
        execute([Job(make_run(seed=s, epochs=1, results_dir=str(tmp_path)), splits) for s in range(8)])
    finally:
        gc.enable()
    assert len(most) == 7 and max(most) == 1


def test_settings_that_do_not_fit_the_data_end_the_command(splits, make_run, tmp_path):
    run = make_run(results_dir=str(tmp_path))
    too_many = replace(run, data=replace(run.data, select=500))
    with pytest.raises(UsageError, match="120 rows"):
        execute([Job(too_many, splits)])


def test_an_added_method_works_through_its_hooks_alone(splits, make_run, tmp_path, monkeypatch):
    """A confidence penalty in one object, as a file in methods/ would hold it (Pereyra et al. 2017)."""

    def penalty(losses, logits, batch, strength):
        log_probs = logits.log_softmax(-1)
        return losses + strength[:, None] * (log_probs.exp() * log_probs).sum(-1)

    added = {"penalty": Method("penalty", 0.0, 1.0, loss=penalty)}
    monkeypatch.setattr(methods, "all_methods", lambda: added)
    for user in (plan, stack):
        monkeypatch.setattr(user, "all_methods", lambda: added)
    runs_ = [
        make_run(results_dir=str(tmp_path), epochs=20, method=MethodConfig("penalty", {"penalty": strength}))
        for strength in (0.0, 0.5)
    ]
    for run in runs_:
        plan.check(run)
    with pytest.raises(UsageError, match=r"penalty=1: allowed is a number from 0.0 to below 1"):
        plan.check(replace(runs_[0], method=MethodConfig("penalty", {"penalty": 1.0})))
    execute([Job(run, splits) for run in runs_])
    plain, penalised = (runs.read(tmp_path, run.run_id(splits.sha256)) for run in runs_)
    assert penalised["penalty"] == 0.5
    assert penalised["test_confidence_gap"] < plain["test_confidence_gap"] - 0.05
