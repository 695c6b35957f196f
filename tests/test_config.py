import math
from dataclasses import replace

import pytest

from lsbench import config
from lsbench.config import DataConfig, MethodConfig, OptimConfig, Range, Run, from_yaml, to_yaml
from lsbench.errors import UsageError

RUN = Run(data=DataConfig("mnist5k", "lsbench.data.mnist5k.load"), model={"name": "mlp", "hidden": [256]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.0}, "alpha=1: allowed is a number from 0 to below 1"),
        ({"alpha": float("nan")}, "alpha=nan: allowed is a number from 0 to below 1"),
        ({"alpha": float("inf")}, "alpha=inf: "),
        ({"alpha": -0.1}, "alpha=-0.1: "),
        ({"dropout": 1.0}, "dropout=1: allowed is a number from 0 to below 1"),
        ({"augment": 1.1}, "augment=1.1: allowed is a number from 0 to 1"),
        ({"label_noise": 1.01}, "label_noise=1.01: "),
        ({"weight_decay": -1.0}, "weight_decay=-1: allowed is a number of at least 0"),
        ({"lr": float("inf")}, "lr=inf: allowed is a number of at least 0"),
        ({"epochs": 0}, "epochs=0: allowed is a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size=0: "),
        ({"seed": -1}, "seed=-1: allowed is a whole number from 0 to below 2147483648"),
        ({"precision": "fp8"}, "precision=fp8: allowed is one of fp32, bf16, fp64"),
        ({"convention": "mine"}, "convention=mine: allowed is one of uniform, others, as_printed"),
    ],
)
def test_a_value_out_of_its_range_names_key_value_and_range(settings, message):
    with pytest.raises(UsageError) as error:
        replace(RUN, **settings)
    assert str(error.value).startswith(message)


def test_nested_settings_are_named_as_they_are_written():
    with pytest.raises(UsageError, match=r"^data\.select=0: allowed is a whole number of at least 1$"):
        DataConfig("x", "y", select=0)
    with pytest.raises(UsageError, match=r"^optim\.momentum=1: "):
        OptimConfig(momentum=1.0)


def test_the_ends_of_ranges():
    assert 0 in Range(0, 1) and 1 not in Range(0, 1) and 1 in Range(0, 1, closed=True)
    assert not Range(0).__contains__(math.nan) and "x" not in Range(0)
    replace(RUN, alpha=0.0, augment=1.0, label_noise=1.0, seed=2**31 - 1)


# Settings that change the outcome, and so the run's name in the store.
CHANGES = {
    "alpha": 0.1, "convention": "others", "dropout": 0.1, "augment": 0.5, "weight_decay": 0.1,
    "label_noise": 0.1, "lr": 0.2, "epochs": 21, "batch_size": 64, "seed": 1, "precision": "fp64",
    "data": DataConfig("mnist5k", "lsbench.data.mnist5k.load", select=501),
    "model": {"name": "mlp", "hidden": [128]},
    "method": MethodConfig("none", {"strength": 1.0}),
    "optim": OptimConfig(momentum=0.8),
}  # fmt: skip
SAME = {
    "device": "cpu", "executor": "pool", "checkpoint_minutes": 1.0,
    "name": "other", "results_dir": "elsewhere",
    "data": DataConfig("mnist5k", "moved.load", root="/somewhere"),
    "method": MethodConfig("other", {"strength": 0.0}),
    "alpha": -0.0,
    "optim": OptimConfig(beta1=0.5),
}  # fmt: skip


def test_every_setting_is_listed_as_changing_the_outcome_or_not():
    assert set(vars(RUN)) == set(CHANGES) | set(SAME)


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_changes_the_outcome_changes_the_run(name):
    changed = replace(RUN, **{name: CHANGES[name]})
    assert changed.run_id("d") != RUN.run_id("d")
    assert (changed.cell_id("d") == RUN.cell_id("d")) == (name == "seed")


@pytest.mark.parametrize("name", SAME)
def test_names_paths_and_devices_do_not_change_the_run(name):
    assert replace(RUN, **{name: SAME[name]}).run_id("d") == RUN.run_id("d")


def test_other_data_and_another_result_version_are_another_run(monkeypatch):
    assert RUN.run_id("d") != RUN.run_id("e")
    before = RUN.run_id("d")
    monkeypatch.setattr("lsbench.config.RESULT_VERSION", 0)
    assert RUN.run_id("d") != before


def test_a_run_id_begins_with_the_main_settings():
    assert replace(RUN, alpha=0.05, seed=3).run_id("d").startswith("mnist5k-mlp-none-a0.05-s3-")
    assert len(RUN.run_id("d").rpartition("-")[2]) == 8


def test_another_target_of_a_model_is_another_run():
    """Otherwise results of one model would be reported for the other."""
    moved = replace(RUN, model={"name": "mlp", "hidden": [256], "_target_": "mine.MLP"})
    assert moved.run_id("d") != RUN.run_id("d")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "none"),
        ({"dropout": 0.3}, "dropout"),
        ({"method": MethodConfig("dropout"), "dropout": 0.0}, "none"),
        ({"method": MethodConfig("augment"), "augment": 1.0, "dropout": 0.3}, "augment+dropout"),
        ({"method": MethodConfig("mixup", {"mixup_beta": 0.2}), "weight_decay": 0.1}, "mixup+weight_decay"),
        ({"method": MethodConfig("mixup", {"mixup_beta": 0.2, "focal_gamma": 3.0})}, "focal+mixup"),
        ({"method": MethodConfig("focal", {"mixup_beta": 0.2, "focal_gamma": 3.0})}, "focal+mixup"),
        ({"method": MethodConfig("mixup", {"mixup_beta": 0.0, "focal_gamma": 3.0})}, "focal"),
        ({"method": MethodConfig("none", {"mixup_beta": 0.2})}, "mixup"),
        ({"method": MethodConfig("none", {"fade": 0.3})}, "fade"),
        ({"method": MethodConfig("augment", {"fade": 0.3}), "augment": 1.0}, "augment+fade"),
        ({"label_noise": 0.2}, "none"),
    ],
)
def test_the_method_name_lists_the_methods_that_are_on(settings, name):
    run = replace(RUN, **settings)
    assert run.method_name == name and f"-mlp-{name}-a0-" in run.run_id("d")


def test_equal_trainings_have_equal_names():
    by_method = replace(RUN, method=MethodConfig("dropout"), dropout=0.3)
    assert by_method.run_id("d") == replace(RUN, dropout=0.3).run_id("d")
    knobs = {"mixup_beta": 1.0, "focal_gamma": 3.0}
    by_mixup, by_focal = (replace(RUN, method=MethodConfig(name, knobs)) for name in ("mixup", "focal"))
    assert by_mixup.run_id("d") == by_focal.run_id("d") and by_mixup.method_name == by_focal.method_name


def test_a_top_level_knob_is_refused_in_method_knobs():
    with pytest.raises(
        UsageError, match=r"method\.knobs\.dropout: dropout is a top-level setting; use dropout="
    ):
        replace(RUN, method=MethodConfig("x", {"dropout": 0.5}))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "runs", "hydra", ".hidden", "a b", "a" * 81])
def test_names_that_are_not_safe_file_names_are_refused(name):
    for make in (lambda: replace(RUN, name=name), lambda: DataConfig(name, "t"), lambda: MethodConfig(name)):
        with pytest.raises(UsageError, match=r"name=.*: allowed is text of up to 80 letters, digits"):
            make()
    with pytest.raises(UsageError, match=r"model\.name="):
        replace(RUN, model={"name": name})


def test_a_model_without_a_name_is_refused():
    with pytest.raises(UsageError, match=r"model\.name=None"):
        replace(RUN, model={"hidden": [3]})


def test_settings_survive_a_round_trip_through_yaml():
    run = replace(
        RUN,
        alpha=0.1 + 0.2,
        seed=7,
        method=MethodConfig("mixup", {"mixup_beta": 0.2}),
        optim=OptimConfig("adamw", beta2=0.99),
        data=DataConfig("mine", "my.load", root="a b", select=3, options={"size": 32}),
    )
    assert from_yaml(to_yaml(run)) == run
    assert from_yaml(to_yaml(run)).run_id("d") == run.run_id("d")


@pytest.mark.parametrize("text", ["alpha: 2", "alpha: [", "what: 1", "data: 3", "- 1", "alpha: {a: 1}"])
def test_text_that_is_not_a_runs_settings_is_refused(text):
    with pytest.raises((UsageError, ValueError)):
        from_yaml(text)


# Computed by lsbench at e4755ad, before methods could have teachers, and at 7f7780f, before a knob was named
# after its method whatever method.name says: stored runs must keep their names.
STORED = [
    ({}, "tiny-mlp-none-a0-s0-824c8909", "c1931ad0e"),
    ({"seed": 1, "alpha": 0.1, "dropout": 0.3}, "tiny-mlp-dropout-a0.1-s1-eb358301", "c75e41d73"),
    (
        {"seed": 2, "augment": 1.0, "label_noise": 0.2}
        | {"method": MethodConfig("mixup", {"mixup_beta": 1.0, "focal_gamma": 2.0})},
        "tiny-mlp-augment+focal+mixup-a0-s2-57391792",
        "c51de5f2c",
    ),
    (
        {"seed": 3, "weight_decay": 1e-3, "method": MethodConfig("x", {"confidence_penalty": 0.1})},
        "tiny-mlp-confidence_penalty+weight_decay-a0-s3-6c96d98d",
        "c4edb156c",
    ),
    (
        {"alpha": 0.1, "seed": 3, "method": MethodConfig("none")},
        "tiny-mlp-none-a0.1-s3-b330e4e7",
        "c573442f0",
    ),
    ({"dropout": 0.3}, "tiny-mlp-dropout-a0-s0-f7afb9e6", "c127f5a5b"),
    ({"dropout": 0.5, "method": MethodConfig("dropout")}, "tiny-mlp-dropout-a0-s0-553f28f1", "c12e5707b"),
    (
        {"augment": 1.0, "dropout": 0.3, "method": MethodConfig("augment")},
        "tiny-mlp-augment+dropout-a0-s0-3812b973",
        "c3b1345a2",
    ),
    (
        {"weight_decay": 5e-4, "method": MethodConfig("weight_decay")},
        "tiny-mlp-weight_decay-a0-s0-c596bb62",
        "cff194d8c",
    ),
    (
        {"alpha": 0.1, "method": MethodConfig("mixup", {"mixup_beta": 1.0})},
        "tiny-mlp-mixup-a0.1-s0-24302565",
        "c7132f0e9",
    ),
    ({"method": MethodConfig("focal", {"focal_gamma": 3.0})}, "tiny-mlp-focal-a0-s0-105e5bcd", "c56946064"),
    (
        {"method": MethodConfig("confidence_penalty", {"confidence_penalty": 0.1})},
        "tiny-mlp-confidence_penalty-a0-s0-273f0a81",
        "ceaddb7fe",
    ),
    (
        {"dropout": 0.3, "method": MethodConfig("mixup", {"mixup_beta": 0.2})},
        "tiny-mlp-dropout+mixup-a0-s0-73f8f7f5",
        "c2db59415",
    ),
]


@pytest.mark.parametrize(("settings", "run_id", "cell_id"), STORED)
def test_runs_without_a_teacher_keep_their_names(settings, run_id, cell_id, make_run, monkeypatch):
    monkeypatch.setattr(config, "RESULT_VERSION", 1)  # as it was
    run = make_run(**settings)
    assert (run.run_id("d"), run.cell_id("d")) == (run_id, cell_id)
    heated = replace(run, method=replace(run.method, teacher_temperature=2.0))
    assert heated.run_id("d") == run_id
    assert from_yaml(to_yaml(run).replace("  teacher: null\n", "")).run_id("d") == run_id


def test_a_run_with_a_teacher_keeps_its_name_too(make_run, monkeypatch):
    """The expected name was computed at commit 7f7780f."""
    monkeypatch.setattr(config, "RESULT_VERSION", 1)
    run = make_run(method=MethodConfig("distillation", {"distillation": 0.9}, "teacher-1"))
    assert run.run_id("d") == "tiny-mlp-distillation-a0-s0-5c498307"
