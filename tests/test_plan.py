import gc
import sys
import weakref
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from lsbench import methods, plan, runs, stack
from lsbench.config import MethodConfig
from lsbench.plan import Job
from lsbench.terms import Method, UsageError

CPU = torch.device("cpu")


def sizes(parts):
    return sorted(len(part) for part in parts)


def test_runs_that_differ_in_knobs_and_seed_are_one_stack(splits, make_run):
    jobs = [
        Job(make_run(seed=s, alpha=a, lr=lr), splits) for s in (0, 1) for a in (0, 0.1) for lr in (0.1, 0.2)
    ]
    assert sizes(plan.stacks(jobs, CPU)) == [8]


@pytest.mark.parametrize(
    "settings", [{"epochs": 4}, {"batch_size": 20}, {"precision": "fp32"}, {"convention": "others"}]
)
def test_runs_of_another_shape_are_another_stack(settings, splits, make_run):
    assert sizes(plan.stacks([Job(make_run(), splits), Job(make_run(**settings), splits)], CPU)) == [1, 1]


def test_two_data_sets_are_two_stacks(splits, make_run):
    other = replace(splits, train_images=splits.train_images[::-1].copy())
    assert sizes(plan.stacks([Job(make_run(), splits), Job(make_run(seed=1), other)], CPU)) == [1, 1]


def test_two_models_of_one_name_are_two_stacks(splits, make_run):
    moved = replace(make_run(), model={**make_run().model, "_target_": "lsbench.models.mlp:MLP"})
    assert sizes(plan.stacks([Job(make_run(), splits), Job(moved, splits)], CPU)) == [1, 1]


def test_no_member_pays_for_another_methods_work(splits, make_run):
    jobs = [Job(make_run(seed=s, dropout=p), splits) for s in range(3) for p in (0.0, 0.2, 0.5)]
    assert sizes(plan.stacks(jobs, CPU)) == [3, 6]


def test_convolutions_do_not_stack_on_a_cpu_and_do_on_a_gpu(splits, make_run):
    jobs = [Job(make_run("resnet8", seed=seed), splits) for seed in range(5)]
    assert sizes(plan.stacks(jobs, CPU)) == [1] * 5
    assert sizes(plan.stacks(jobs, torch.device("cuda"))) == [5]


def test_large_groups_are_parted_evenly(splits, make_run):
    jobs = [Job(make_run(seed=seed), splits) for seed in range(82)]
    parts = plan.stacks(jobs, CPU)
    assert sizes(parts) == [27, 27, 28]
    assert sorted(job.run.seed for part in parts for job in part) == list(range(82))


def test_every_run_is_stored_and_none_is_trained_twice(splits, make_run, tmp_path, monkeypatch):
    trained = []
    train = stack.train
    monkeypatch.setattr(
        stack, "train", lambda configs, *rest: trained.extend(configs) or train(configs, *rest)
    )
    jobs = [Job(make_run(seed=seed, results_dir=str(tmp_path)), splits) for seed in (0, 1, 1)]
    plan.execute(jobs)
    assert [run.seed for run in trained] == [0, 1]
    plan.execute([*jobs, Job(make_run(seed=2, results_dir=str(tmp_path)), splits)])
    assert [run.seed for run in trained] == [0, 1, 2]
    records = [runs.read(tmp_path, job.run_id) for job in jobs]
    assert [record["status"] for record in records] == ["done"] * 3
    assert records[0]["stack_size"] == 2 and records[0]["train_seconds"] > 0
    assert records[0]["n_train"] == 66 and records[0]["n_test"] == 14


def test_a_stack_that_fails_is_stored_as_failed_and_tried_again(splits, make_run, tmp_path, monkeypatch):
    train = stack.train

    def fails_for_seed_1(configs, *rest):
        if configs[0].seed == 1:
            raise RuntimeError("no luck\nat all")
        return train(configs, *rest)

    jobs = [
        Job(make_run("resnet8", seed=seed, epochs=1, results_dir=str(tmp_path)), splits) for seed in (0, 1, 2)
    ]
    monkeypatch.setattr(stack, "train", fails_for_seed_1)
    plan.execute(jobs)
    records = [runs.read(tmp_path, job.run_id) for job in jobs]
    assert [record["status"] for record in records] == ["done", "failed", "done"]
    assert records[1]["error"] == "RuntimeError: no luck"
    monkeypatch.setattr(stack, "train", train)
    plan.execute(jobs)
    assert runs.read(tmp_path, jobs[1].run_id)["status"] == "done"


def test_out_of_memory_halves_the_stack(splits, make_run, tmp_path, monkeypatch):
    train, tried = stack.train, []

    def fits_two(configs, *rest):
        tried.append(len(configs))
        if len(configs) > 2:
            raise torch.OutOfMemoryError("full")
        return train(configs, *rest)

    monkeypatch.setattr(stack, "train", fits_two)
    jobs = [Job(make_run(seed=seed, epochs=1, results_dir=str(tmp_path)), splits) for seed in range(7)]
    plan.execute(jobs)
    assert tried == [7, 3, 1, 2, 4, 2, 2]
    assert {runs.read(tmp_path, job.run_id)["stack_size"] for job in jobs} == {1, 2}


def test_the_stack_that_did_not_fit_is_gone_before_its_halves_train(splits, make_run, tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), []
    step = stack.Stack.train_epoch

    def full_above_two(self, epoch):
        alive.add(self)
        most.append(len(alive))
        if self.size > 2:
            raise torch.OutOfMemoryError("full")
        return step(self, epoch)

    monkeypatch.setattr(stack.Stack, "train_epoch", full_above_two)
    gc.disable()  # what only the collector would free is memory that the halves do not have
    try:
        plan.execute([Job(make_run(seed=s, epochs=1, results_dir=str(tmp_path)), splits) for s in range(8)])
    finally:
        gc.enable()
    assert len(most) == 7 and max(most) == 1


def test_settings_that_do_not_fit_the_data_end_the_command(splits, make_run, tmp_path):
    run = make_run(results_dir=str(tmp_path))
    too_many = replace(run, data=replace(run.data, select=500))
    with pytest.raises(UsageError, match="120 rows"):
        plan.execute([Job(too_many, splits)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda:99"}, "device=cuda:99: not on this machine; allowed here are auto, cpu"),
        ({"device": "abacus"}, "device=abacus: "),
        ({"model": {"name": "x"}}, "model=x"),
        ({"model": {"name": "x", "_target_": "lsbench.models.mlp.MLP", "hiden": [3]}}, "hiden"),
        (
            {"method": MethodConfig("m", {"strenght": 1.0})},
            r"method\.knobs\.strenght=1: no method has this knob",
        ),
    ],
)
def test_what_the_machine_does_not_have_is_a_usage_error(settings, message, make_run):
    with pytest.raises(UsageError, match=message):
        plan.check(replace(make_run(), **settings))


def test_bf16_is_offered_where_the_device_has_it(make_run, monkeypatch):
    monkeypatch.setattr(plan, "_has_bf16", lambda device: True)
    plan.check(make_run(precision="bf16"))
    monkeypatch.setattr(plan, "_has_bf16", lambda device: False)
    with pytest.raises(UsageError, match="precision=bf16: cpu has no bf16"):
        plan.check(make_run(precision="bf16"))


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
    plan.execute([Job(run, splits) for run in runs_])
    plain, penalised = (runs.read(tmp_path, run.run_id(splits.sha256)) for run in runs_)
    assert penalised["penalty"] == 0.5
    assert penalised["test_confidence_gap"] < plain["test_confidence_gap"] - 0.05


class Dropping(torch.nn.Sequential):
    def __init__(self, shape, classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(144, classes), torch.nn.Dropout(0.5))


def test_a_model_with_torchs_own_dropout_is_refused(make_run, splits, monkeypatch):
    """Its masks would come from the generator that all runs of the process share."""
    monkeypatch.setattr(plan, "load", lambda config: splits)
    run = replace(make_run(), model={"name": "dropping", "_target_": f"{__name__}.Dropping"})
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "Dropping", Dropping, raising=False)
    with pytest.raises(UsageError, match="KeyedDropout"):
        plan.with_data([run])


def test_sizes_are_checked_before_training(make_run, splits, monkeypatch):
    monkeypatch.setattr(plan, "load", lambda config: splits)
    run = make_run()
    with pytest.raises(UsageError, match="select 90"):
        plan.with_data([run, replace(run, data=replace(run.data, select=90))])
