import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from lsbench.config import MethodConfig
from lsbench.errors import UsageError
from lsbench.execution import autotune, plan
from lsbench.execution.plan import Job
from lsbench.store import checkpoints
from lsbench.training.device import threads

CPU = torch.device("cpu")


def sizes(parts):
    return sorted(len(jobs) for jobs, _ in parts)


def grouped(jobs, device=CPU, *, cuda_graphs=False, local=True):
    return plan.group_jobs(jobs, device, 1, cuda_graphs=cuda_graphs, local=local)


def plans_on(cores, jobs):
    with threads(cores):
        return plan.plan_stacks(jobs)


def test_runs_that_differ_in_knobs_and_seed_are_one_stack(splits, make_run):
    jobs = [
        Job(make_run(seed=s, alpha=a, lr=lr), splits) for s in (0, 1) for a in (0, 0.1) for lr in (0.1, 0.2)
    ]
    assert sizes(grouped(jobs)) == [8]


@pytest.mark.parametrize(
    "settings", [{"epochs": 4}, {"batch_size": 20}, {"precision": "fp32"}, {"convention": "others"}]
)
def test_runs_of_another_shape_are_another_stack(settings, splits, make_run):
    assert sizes(grouped([Job(make_run(), splits), Job(make_run(**settings), splits)])) == [1, 1]


def test_two_data_sets_are_two_stacks(splits, make_run):
    reversed_splits = replace(splits, train_images=splits.train_images[::-1].copy())
    assert sizes(grouped([Job(make_run(), splits), Job(make_run(seed=1), reversed_splits)])) == [1, 1]


def test_two_models_of_one_name_are_two_stacks(splits, make_run):
    moved = replace(make_run(), model={**make_run().model, "_target_": "lsbench.models.mlp:MLP"})
    assert sizes(grouped([Job(make_run(), splits), Job(moved, splits)])) == [1, 1]


def test_runs_with_and_without_a_method_are_separate_stacks(splits, make_run):
    jobs = [Job(make_run(seed=s, dropout=p), splits) for s in range(3) for p in (0.0, 0.2, 0.5)]
    assert sizes(grouped(jobs)) == [3, 6]


def test_runs_are_grouped_by_method_and_strength_0_counts_as_none(splits, make_run):
    chosen = [("none", {}), ("mixup", {"mixup_beta": 0.0}), ("mixup", {"mixup_beta": 0.2})]
    chosen += [("mixup", {"mixup_beta": 1.0}), ("focal", {"focal_gamma": 3.0})]
    chosen += [("confidence_penalty", {"confidence_penalty": 0.1})]
    jobs = [
        Job(make_run(seed=s, alpha=0.1 * s, method=MethodConfig(*m)), splits) for s in (0, 1) for m in chosen
    ]
    names = [{job.run.method_name for job in part} for part, _ in grouped(jobs)]
    assert names == [{"none"}, {"mixup"}, {"focal"}, {"confidence_penalty"}]
    assert sizes(grouped(jobs)) == [2, 2, 4, 4]


@pytest.mark.parametrize("knob", ["mixup_beta", "focal_gamma", "confidence_penalty"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_methods_knob_out_of_its_range_names_key_value_and_range(knob, value, make_run):
    wrong = rf"^method\.knobs\.{knob}={value:g}: allowed is a number of at least 0$"
    with pytest.raises(UsageError, match=wrong):
        plan.check(make_run(method=MethodConfig("x", {knob: value})))


def test_students_of_different_teachers_are_one_stack(splits, make_run):
    methods = [MethodConfig("distillation", {"distillation": 0.9}, f"c{n}", n) for n in (1.0, 2.0)]
    settings = [{"method": method, "seed": seed} for method in methods for seed in (0, 1)]
    jobs = [Job(make_run(**knobs), splits) for knobs in [*settings, {}, {"alpha": 0.1}]]
    assert sizes(grouped(jobs)) == [2, 4]


def test_the_bounds_of_the_distillation_weight(make_run):
    for weight in (0.0, 1.0):
        plan.check(make_run(method=MethodConfig("x", {"distillation": weight}, "c12345678")))
    with pytest.raises(UsageError, match=r"distillation=1\.01: allowed is a number from 0 to 1$"):
        plan.check(make_run(method=MethodConfig("x", {"distillation": 1.01}, "c12345678")))


def test_convolutions_do_not_stack_on_a_cpu(splits, make_run):
    jobs = [Job(make_run("resnet8", seed=seed), splits) for seed in range(5)]
    assert sizes(grouped(jobs)) == [1] * 5


@pytest.mark.parametrize(
    ("fastest", "expected"), [(("vmap", 1), [1] * 20), (("vmap", 8), [6, 7, 7]), (("streams", 8), [6, 7, 7])]
)
def test_a_gpu_trains_convolutions_with_the_fastest_strategy(
    fastest, expected, splits, make_run, monkeypatch
):
    """Strategies are timed once for all runs that can train together, and not for a single run or for
    MLPs."""
    measured_for = []

    def measured(runs, *others, graphs):
        measured_for.append((len(runs), graphs))
        return fastest

    monkeypatch.setattr(autotune, "fastest", measured)
    cuda = torch.device("cuda")
    stacks = grouped(
        [Job(make_run("resnet8", seed=seed), splits) for seed in range(20)], cuda, cuda_graphs=True
    )
    assert sizes(stacks) == expected and {strategy for _, strategy in stacks} == {fastest[0]}
    assert measured_for == [(20, True)]
    assert sizes(grouped([Job(make_run("resnet8"), splits)], cuda)) == [1]
    assert sizes(grouped([Job(make_run(seed=seed), splits) for seed in range(20)], cuda)) == [20]
    assert len(measured_for) == 1
    on_a_node = grouped(
        [Job(make_run("resnet8", seed=seed), splits) for seed in range(20)], cuda, local=False
    )
    assert sizes(on_a_node) == [6, 7, 7] and len(measured_for) == 1


def test_the_fastest_strategy_is_saved_with_the_plan(splits, make_run, monkeypatch, tmp_path):
    """If it were timed again on a busier GPU, a resumed stack could change its strategy and end with other
    bits."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(autotune, "fastest", lambda *arguments, graphs: ("streams", 3))
    jobs = [Job(make_run("resnet8", seed=s, results_dir=str(tmp_path)), splits) for s in range(6)]
    first = plan.plan_stacks(jobs)
    assert [(len(stack.jobs), stack.strategy, stack.executor) for stack in first] == [
        (3, "streams", "graphs")
    ] * 2
    checkpoints.save_stacks(tmp_path, [stack.saved for stack in first])
    monkeypatch.setattr(autotune, "fastest", lambda *arguments, graphs: ("vmap", 1))
    assert {stack.saved for stack in plan.plan_stacks(jobs)} == {stack.saved for stack in first}


def test_large_groups_are_divided_evenly(splits, make_run):
    jobs = [Job(make_run(seed=seed), splits) for seed in range(82)]
    parts = grouped(jobs)
    assert sizes(parts) == [27, 27, 28]
    assert sorted(job.run.seed for part, _ in parts for job in part) == list(range(82))


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
def test_an_unavailable_device_model_or_knob_is_a_usage_error(settings, message, make_run):
    with pytest.raises(UsageError, match=message):
        plan.check(replace(make_run(), **settings))


def test_bf16_needs_a_device_that_supports_it(make_run, monkeypatch):
    monkeypatch.setattr(plan, "supports_bf16", lambda device: True)
    plan.check(make_run(precision="bf16"))
    monkeypatch.setattr(plan, "supports_bf16", lambda device: False)
    with pytest.raises(UsageError, match="precision=bf16: cpu has no bf16"):
        plan.check(make_run(precision="bf16"))


class Dropping(torch.nn.Sequential):
    def __init__(self, shape, classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(144, classes), torch.nn.Dropout(0.5))


def test_graphs_need_a_gpu_and_are_its_default(splits, make_run, monkeypatch):
    with pytest.raises(UsageError, match="executor=graphs: CUDA graphs need a CUDA device, not cpu"):
        plan.check(make_run(executor="graphs", device="cpu"))
    monkeypatch.setattr(plan, "choose_device", lambda name: torch.device("cuda"))
    for requested, chosen in (("graphs", "graphs"), ("auto", "graphs"), ("stack", "stack")):
        run = make_run(executor=requested)
        plan.check(run)
        assert [stack.executor for stack in plan.plan_stacks([Job(run, splits)])] == [chosen]


def test_a_model_with_torchs_own_dropout_is_refused(make_run, splits, monkeypatch):
    """The masks of nn.Dropout come from a generator that all runs of the process share."""
    monkeypatch.setattr(plan, "load", lambda config: splits)
    run = replace(make_run(), model={"name": "dropping", "_target_": f"{__name__}.Dropping"})
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "Dropping", Dropping, raising=False)
    with pytest.raises(UsageError, match="KeyedDropout"):
        plan.with_data([run])


def test_sizes_are_checked_before_training(make_run, splits, monkeypatch):
    monkeypatch.setattr(plan, "load", lambda config: splits)
    run = make_run()
    too_many = replace(run.data, select=90)
    fitting = r"data\.select=12 data\.calibrate=12$"
    with pytest.raises(UsageError, match=rf"select 90, .* do not fit into its 120 rows; try {fitting}"):
        plan.with_data([run, replace(run, data=too_many)])
    assert plan.with_data([replace(run, data=replace(too_many, select=12, calibrate=12))])


def test_a_method_that_would_change_nothing_is_refused(make_run, splits, monkeypatch):
    monkeypatch.setattr(plan, "load", lambda config: splits)
    run = make_run(augment=1.0)
    still = replace(run, data=replace(run.data, shift=0, flip=False))
    with pytest.raises(
        UsageError, match=r"augment=1: would change nothing: data\.shift=0 and data\.flip=false"
    ):
        plan.with_data([run, still])
    assert plan.with_data([run, replace(still, augment=0.0)])


def test_a_stack_is_divided_over_the_cores_into_parts_of_at_least_8(splits, make_run):
    for runs, cores, parts in ((24, 2, [12, 12]), (24, 4, [8, 8, 8]), (15, 4, [15]), (16, 4, [8, 8])):
        jobs = [Job(make_run(seed=seed), splits) for seed in range(runs)]
        assert sorted(len(stack.jobs) for stack in plans_on(cores, jobs)) == parts
    one_process = [Job(make_run(seed=seed, executor="stack"), splits) for seed in range(24)]
    assert [len(stack.jobs) for stack in plans_on(4, one_process)] == [24]


@pytest.mark.parametrize(
    ("runs", "executor", "cores", "chosen"),
    [
        *((1, "auto", 4, ("stack", 4)), (24, "auto", 1, ("stack", 1)), (24, "auto", 4, ("pool", 1))),
        *((16, "auto", 8, ("pool", 4)), (16, "stack", 8, ("stack", 8)), (1, "pool", 4, ("pool", 4))),
    ],
)
def test_a_pool_trains_several_stacks_and_divides_the_threads(
    runs, executor, cores, chosen, splits, make_run
):
    jobs = [Job(make_run(seed=seed, executor=executor), splits) for seed in range(runs)]
    assert {(stack.executor, stack.threads) for stack in plans_on(cores, jobs)} == {chosen}


def test_a_kill_while_plans_are_saved_changes_no_plan(splits, make_run, tmp_path):
    """Planned alone, the remaining runs would be divided again: on two cores 50 runs are 25 and 25, but 25
    runs are 12 and 13."""
    jobs = [Job(make_run(seed=seed, results_dir=str(tmp_path)), splits) for seed in range(50)]
    plans = plans_on(2, jobs)
    checkpoints.save_stacks(tmp_path, [stack.saved for stack in plans])
    (plans[1].folder / "plan.json").unlink()
    again = plans_on(2, jobs)
    assert [stack.saved for stack in again] == [stack.saved for stack in plans]
    assert [len(stack.jobs) for stack in plans] == [25, 25]


def test_a_saved_plan_is_used_again_with_its_members_and_threads(splits, make_run, tmp_path):
    jobs = [Job(make_run(seed=seed, results_dir=str(tmp_path)), splits) for seed in range(20)]
    ids = [job.run_id for job in jobs]
    saved = checkpoints.SavedStack((ids[3], ids[1]), 3)
    lost = checkpoints.SavedStack((ids[2], "a run of which nothing is known"), 3)
    for stack in (saved, lost):
        checkpoints.save_stacks(tmp_path, [stack])
    first, *rest = plans_on(3, jobs)
    assert first.saved == saved and {stack.threads for stack in rest} == {1}
    assert {run for stack in rest for run in stack.saved.run_ids} == set(ids) - {ids[1], ids[3]}
    assert plans_on(2, jobs)[0].threads == 2, "no more than there are cores"
    [alone] = plans_on(4, [jobs[3], jobs[1]])
    assert alone.saved == saved and alone.folder == checkpoints.stack_dir(tmp_path, saved.run_ids)
    assert plans_on(1, jobs[1:2])[0].saved.run_ids == (ids[1],), "a plan is used whole or not at all"


def test_a_pool_is_refused_on_a_gpu(make_run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for device in ("auto", "cuda", "cuda:0"):
        with pytest.raises(UsageError, match="executor=pool: its processes train on a CPU, not on cuda"):
            plan.check(make_run(executor="pool", device=device))
    plan.check(make_run(executor="pool", device="cpu"))
    plan.check(make_run(executor="stack", device="cuda"))


def test_an_unknown_executor_is_a_usage_error(make_run):
    with pytest.raises(UsageError, match="executor=slurp: allowed is one of auto, stack, pool"):
        make_run(executor="slurp")
