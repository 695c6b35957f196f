"""`lsbench train` and `compare` from the command line: exit codes, streams, errors, and training."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from lsbench.cli import main
from lsbench.terms import COLUMNS

pytestmark = pytest.mark.usefixtures("here", "sketched")


USAGE = [
    (["train", "alpah=0.1"], ["alpah", "did you mean alpha?"]),
    (["train", "alpha=2"], ["alpha=2", "from 0 to below 1"]),
    (["train", "alpha=nan"], ["alpha=nan", "from 0 to below 1"]),
    (["train", "alpha=inf"], ["alpha=inf", "from 0 to below 1"]),
    (["train", "alpha=-1"], ["alpha=-1", "from 0 to below 1"]),
    (["train", "alpha=abc"], ["alpha=abc", "a number from 0 to below 1"]),
    (["train", "alpha="], ["alpha=", "a number"]),
    (["train", "epochs=0"], ["epochs=0", "at least 1"]),
    (["train", "epochs=1.5"], ["epochs=1.5", "a whole number"]),
    (["train", "seed=-1"], ["seed=-1", "from 0"]),
    (["train", "data=mnits"], ["data=mnits", "mnist5k", "did you mean mnist"]),
    (["train", "model=resnet9"], ["model=resnet9", "did you mean resnet"]),
    (["train", "device=cuda:7"], ["device=cuda:7", "allowed here are auto, cpu"]),
    (["train", "precision=fp8"], ["precision=fp8", "fp32, bf16, fp64"]),
    (["train", "model.hiden=[3]"], ["model.hiden", "did you mean model.hidden?"]),
    (["train", "model.hidden=[0]"], ["model.hidden=[0]", "at least 1"]),
    (["train", "data.select=0"], ["data.select=0", "at least 1"]),
    (["train", "data.select=9000"], ["select 9000", "5000 rows"]),
    (["train", "optim.momentum=1"], ["optim.momentum=1", "from 0 to below 1"]),
    (["train", "+foo=1"], ["foo", "no such setting"]),
    (["train", "=3"], ["lsbench: "]),
    (["train", "alpha=[1"], ["alpha=[1"]),
    (["train", "--foo"], ["--foo"]),
    (["train", "alpha=0.1,0.2"], ["alpha=0.1,0.2", "add -m"]),
    (["train", "-m", "alpha=0,2"], ["job 1", "alpha=2", "from 0 to below 1"]),
    (["train", "--config-dir", "nowhere"], ["nowhere"]),
    (["trian"], ["trian", "did you mean train?"]),
    (["train", "name=../x"], ["name=../x", "letters"]),
    (["train", "~data"], ["lsbench: "]),
    (["train", "results_dir='~/x'"], ["results_dir=~/x"]),
    (["train", "alpha=${nope}"], ["nope"]),
    (["train", "method=mixup", "method.knobs.mixup_beta=-1"], ["mixup_beta=-1", "a number of at least 0"]),
    (["train", "method=distillation"], ["distillation=0.9", "needs a teacher", "method.teacher=RUN"]),
    (
        ["train", "method=distillation", "method.teacher=mine"],
        ["method.teacher=mine", "no such run in results"],
    ),
    (["train", "method=distillation", "method.teacher=c12345678"], ["method.teacher=c12345678", "seed=0"]),
    (
        ["train", "method=distillation", "+method.knobs.mixup_beta=1"],
        ["distillation=0.9", "together with mixup_beta"],
    ),
    (["train", "method.teacher=c12345678"], ["is set but unused", "method=distillation"]),
    (
        ["train", "-m", "method.teacher=c12345678", "method.teacher_temperature=1,2", "seed=0,1"],
        ["method.teacher=c12345678: is set but unused"],
    ),
    (
        ["train", "-m", "method.teacher=c12345678", "seed=0,1", "hydra.sweeper.max_batch_size=1"],
        ["method.teacher=c12345678: is set but unused"],
    ),
    (["train", "method=distillation", "method.knobs.distillation=1.1"], ["distillation=1.1", "from 0 to 1"]),
    (["train", "method.teacher_temperature=0"], ["method.teacher_temperature=0", "from 0.01"]),
    (["train", "method=mixup", "mixup_beta=1"], ["did you mean method.knobs.mixup_beta?"]),
    (["train", "+method.knobs.dropout=0.5"], ["method.knobs.dropout", "dropout="]),
    (["train", "-m", "hydra.sweeper.max_batch_size=0", "seed=0,1"], ["max_batch_size=0", "at least 1"]),
    (["alpha=0.1"], ["did you mean lsbench train alpha=0.1?"]),
    (["report"], ["report"]),
    (["report", "nothing"], ["nothing", "none yet"]),
    (["data", "fetch", "mnits"], ["mnits", "mnist"]),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_a_usage_error_is_one_line_with_exit_2(arguments, words, call, tmp_path):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if not line.startswith("training ")]
    assert len(lines) == 1 and lines[0].startswith("lsbench: ")
    assert not [word for word in words if word not in lines[0]]
    assert not list(tmp_path.glob("results/runs/*/result.json"))


def test_a_range_is_checked_before_data_is_read(call, monkeypatch):
    monkeypatch.setattr("lsbench.execution.plan.load", lambda config: pytest.fail("data was read"))
    assert call("train", "alpha=2", "data=mnist")[0] == 2
    assert call("train", "-m", "alpha=0,0.1", "seed=0,-1")[0] == 2


def test_missing_data_is_exit_3_with_folders_files_and_the_command_that_downloads_them(
    call, tmp_path, monkeypatch
):
    monkeypatch.setattr("lsbench.data._files.SYSTEM", tmp_path / "system")
    code, out, err = call("train", "data=mnist")
    assert (code, out) == (3, "")
    for words in (
        "lsbench: mnist",
        str(tmp_path),
        "train-images-idx3-ubyte",
        "data fetch mnist",
        "data=mnist5k",
    ):
        assert words in err


def test_a_folder_that_cannot_be_written_is_exit_4(call, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = call("train", "results_dir=file", "epochs=1")
    assert (code, out) == (4, "") and err.startswith("lsbench: ") and "file" in err and err.count("\n") == 1


def test_train_prints_a_table_and_stores_the_run(call, tmp_path):
    code, out, err = call("train", "alpha=0.1", "epochs=2")
    assert code == 0
    [folder] = (tmp_path / "results" / "runs").iterdir()
    record = json.loads((folder / "result.json").read_text())
    assert list(record)[: len(COLUMNS)] == COLUMNS
    for shown in (
        f"{record['test_accuracy']:.2%}",
        f"{record['test_nll']:.4f}",
        f"{record['test_nll_ts']:.4f}",
    ):
        assert shown in out
    for shown in (
        f"{record['test_ece']:.2%}",
        f"{record['test_ece_ts']:.2%}",
        f"{record['temperature']:.3f}",
    ):
        assert shown in out
    assert str(folder.relative_to(tmp_path)) in out
    assert record["test_accuracy"] > 0.85 and record["n_train"] == 3000 and record["n_test"] == 1000
    assert "\r" not in err, "a pipe gets plain lines"
    code, again, err = call("train", "alpha=0.1", "epochs=2", "device=cpu")
    assert code == 0 and again == out and "1 of 1 runs are stored already" in err


def test_methods_train_by_name_at_the_strength_of_their_papers(call, tmp_path):
    choice = "method=none,mixup,focal,confidence_penalty"
    code, out, _ = call(
        "compare", choice, "alpha=0.1", "seed=0", "epochs=1", "label_noise=0.2", "dropout=0.1"
    )
    assert code == 0 and "4 of 4 runs done" in out
    runs = pd.read_csv(tmp_path / "results" / "compare-mnist5k-mlp" / "runs.csv").set_index("method")
    knobs = ["mixup_beta", "focal_gamma", "confidence_penalty"]
    assert runs.loc["dropout", knobs].tolist() == [0, 0, 0]
    for method, values in {"mixup": [1, 0, 0], "focal": [0, 3, 0], "confidence_penalty": [0, 0, 0.1]}.items():
        [name] = {"+".join(sorted(["dropout", method]))} & set(runs.index)
        assert runs.loc[name, knobs].tolist() == values
    assert runs["test_nll"].nunique() == 4 and (runs["test_accuracy"] > 0.5).all()
    report = (tmp_path / "results" / "compare-mnist5k-mlp" / "report.md").read_text()
    assert "confidence_penalty 0.1, focal_gamma 3, mixup_beta 1." in report


def test_a_run_that_diverges_is_exit_1_and_stored(call, tmp_path):
    code, out, err = call("train", "lr=1e9", "epochs=1")
    assert (code, out) == (1, "") and "diverged" in err and "step" in err
    [record] = (tmp_path / "results" / "runs").glob("*/result.json")
    assert json.loads(record.read_text())["status"] == "diverged"


SWEEP = ["alpha=0,0.1", "method=none,dropout", "seed=0,1", "epochs=1"]


def test_a_sweep_writes_its_report_and_reuses_stored_runs(call, tmp_path):
    call("train", "alpha=0.1", "epochs=1", "seed=1")
    code, out, err = call("train", "-m", *SWEEP)
    assert code == 0 and "1 of 8 runs are stored already" in err and "8 of 8 runs done" in out
    folder = tmp_path / "results" / "sweep-mnist5k-mlp"
    table = pd.read_csv(folder / "runs.csv")
    assert list(table.columns)[: len(COLUMNS)] == COLUMNS
    assert len(table) == 8 and set(table["status"]) == {"done"}
    assert set(zip(table["alpha"], table["method"], table["seed"], strict=True)) == {
        (alpha, method, seed) for alpha in (0, 0.1) for method in ("none", "dropout") for seed in (0, 1)
    }
    assert set(table.loc[table["method"] == "dropout", "dropout"]) == {0.5}
    assert {"summary.csv", "report.md", "sweep.json"} <= {path.name for path in folder.iterdir()}
    sweep = json.loads((folder / "sweep.json").read_text())
    assert sweep["command"] == "lsbench train -m " + " ".join(SWEEP) and set(sweep["runs"]) == set(
        table["run"]
    )
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = call("train", "-m", *SWEEP)
    assert code == 0 and "8 of 8 runs are stored already" in err and "training" not in err
    code, out, _ = call("report", "sweep-mnist5k-mlp")
    assert code == 0 and "8 of 8 runs done" in out
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_shows_the_plan_and_writes_nothing(call, tmp_path):
    small = ["model.hidden=[4]", "data.train=200", "epochs=3"]
    code, out, _ = call("train", "-m", "--dry-run", "seed=range(20)", "method=none,dropout", *small)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0 and out.startswith("40 runs: 0 stored, 40 to train\n") and "about" in out
    assert sum(int(line[0]) * int(line[1]) for line in lines if line[2:3] == ["x"]) == 40
    assert call("train", "--dry-run", *small)[1].startswith("1 run: 0 stored, 1 to train\n")
    assert not list(tmp_path.iterdir())
    call("train", "-m", "seed=0,1", *small)
    before = sorted(tmp_path.rglob("*"))
    assert call("train", "-m", "--dry-run", "seed=0,1", *small)[1] == "2 runs: 2 stored, 0 to train\n"
    assert call("train", "-m", "--dry-run", "seed=0,1,2", *small)[1].startswith(
        "3 runs: 2 stored, 1 to train"
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "--dry-run", "hydra/launcher=joblib", "seed=0,1"], "it can plan for stacked only"),
        (["-m", "--dry-run", "alpha=2"], "alpha=2: allowed is"),
        (["-m", "hydra.launcher.cluster=moon", "seed=0,1"], "allowed is local or slurm"),
        (
            ["-m", "hydra.launcher.mem_gb=4", "seed=0,1"],
            "mem_gb: has an effect only with hydra.launcher.cluster=slurm",
        ),
        (["-m", "hydra.launcher.cluster=slurm", "hydra.launcher.cpus_per_task=0", "seed=0,1"], "at least 1"),
        (["executor=banana"], "executor=banana: allowed is one of auto, stack, pool"),
        (["checkpoint_minutes=-1"], "checkpoint_minutes=-1: allowed is a number of at least 0"),
    ],
)
def test_settings_that_a_launcher_cannot_follow_are_usage_errors(arguments, words, call, tmp_path):
    code, out, err = call("train", *arguments)
    assert code == 2 and out == "" and words in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("result.json"))
    assert "-m" not in arguments or not list(tmp_path.iterdir())


def test_hydra_keeps_its_folders_and_files(call, tmp_path):
    call("train", "-m", "alpha=0,0.1", "epochs=1", "hydra.sweep.dir=jobs")
    for number, alpha in enumerate(("0", "0.1")):
        assert f"alpha={alpha}" in (tmp_path / "jobs" / str(number) / ".hydra" / "overrides.yaml").read_text()
    assert (tmp_path / "jobs" / "multirun.yaml").exists()


def test_another_grid_of_the_same_name_replaces_the_list_and_reuses_runs(call, tmp_path):
    call("train", "-m", "alpha=0,0.1", "epochs=1", "name=mine")
    code, _, err = call("train", "-m", "alpha=0.1,0.2", "epochs=1", "name=mine")
    assert code == 0 and "1 of 2 runs are stored already" in err
    assert set(pd.read_csv(tmp_path / "results" / "mine" / "runs.csv")["alpha"]) == {0.1, 0.2}
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 3


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.slow)])
def test_other_launchers_write_the_same_report(launcher, call, tmp_path):
    if launcher != "basic":
        needs_plugin(launcher)
    code, out, _ = call("train", "-m", f"hydra/launcher={launcher}", "alpha=0,0.1", "epochs=1")
    assert code == 0 and "2 of 2 runs done" in out
    assert set(pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")["alpha"]) == {0, 0.1}


def test_ray_writes_the_same_report(shell, tmp_path):
    """A separate process, since Ray runs as long as the process that starts it; takes 20 to 40 s."""
    needs_plugin("ray")
    quiet = {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }  # otherwise it writes to the home folder
    done = shell("train", "-m", "hydra/launcher=ray", "alpha=0,0.1", "epochs=1", **quiet)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stdout
    assert set(pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")["alpha"]) == {0, 0.1}


def needs_plugin(launcher):
    """Skip the test if the package of Hydra's ``launcher`` is not installed."""
    plugin = f"hydra-{launcher.partition('_')[0]}-launcher"
    pytest.importorskip(f"hydra_plugins.{plugin.replace('-', '_')}", reason=f"needs {plugin}")


@pytest.mark.filterwarnings("ignore")  # optuna 2, which Hydra's plugin asks for, is old
@pytest.mark.parametrize("launcher", ["stacked", "joblib"])
def test_a_searching_sweeper_trains_concurrent_trials_as_one_stack(launcher, call, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs hydra-optuna-sweeper")
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3"]
    options = [f"hydra/launcher={launcher}", "model.hidden=[4]", "epochs=1", "alpha=interval(0,0.2)"]
    folder = f"results_dir={tmp_path}/results"  # joblib reuses processes of other tests, in other folders
    code, out, _ = call("train", "-m", *search, *options, folder)
    assert code == 0 and "6 of 6 runs done" in out
    table = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")
    assert table["alpha"].nunique() == 6 and table["alpha"].between(0, 0.2).all()
    assert set(table["stack_size"]) == {3 if launcher == "stacked" else 1}
    [path] = tmp_path.rglob("optimization_results.yaml")
    assert OmegaConf.load(path).best_value == pytest.approx(table["select_nll_ts"].min(), rel=1e-12)


def test_a_sweep_with_a_diverged_run_is_exit_1_and_reports_it(call, tmp_path):
    code, out, _ = call("train", "-m", "lr=0.1,1e9", "epochs=1")
    assert code == 1 and "1 of 2 runs done" in out and "diverged" in out
    table = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")
    assert sorted(table["status"]) == ["diverged", "done"]
    summary = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "summary.csv")
    assert sorted(summary["n_failed"]) == [0, 1]


def test_compare_is_the_experiment_of_its_yaml(call):
    code, out, _ = call("compare", "--cfg", "all")
    assert code == 0 and "alpha: 0,0.05,0.1,0.15,0.2" in out and "method: none,dropout,augment" in out
    assert "seed: 0,1,2,3,4" in out and "name: compare-${data.name}-${model.name}" in out


def test_compare_takes_overrides_of_its_grid(call, tmp_path):
    code, out, _ = call("compare", "alpha=0,0.1", "method=none", "seed=0", "epochs=1", "model.hidden=[8]")
    assert code == 0 and "2 of 2 runs done" in out
    assert (tmp_path / "results" / "compare-mnist5k-mlp" / "report.md").exists()


def test_a_flag_that_hydra_refuses_is_a_usage_error(call):
    code, out, err = call("train", "--cfg", "job", "--package", "nope")
    assert (code, out) == (2, "") and "nope" in err


def test_config_dir_adds_a_model(call, tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(
        "name: tiny\n_target_: lsbench.models.mlp.MLP\nhidden: [4]\n"
    )
    code, out, _ = call("train", "--config-dir", "mine", "model=tiny", "epochs=1")
    assert code == 0 and "tiny" in out


@pytest.mark.parametrize("command", ["train", "compare"])
def test_flags_and_overrides_come_in_any_order(command, call, tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    tiny = "name: tiny\n_target_: lsbench.models.mlp.MLP\nhidden: [4]\n"
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text(tiny)
    orders = [
        ["--config-dir", "mine", "--cfg", "job", "model=tiny", "alpha=0.2"],
        ["model=tiny", "--cfg", "job", "alpha=0.2", "--config-dir", "mine"],
    ]
    for order in orders:
        code, out, err = call(command, *order)
        assert (code, err) == (0, "") and "name: tiny" in out and "alpha: 0.2" in out


def test_the_sweep_flag_may_be_anywhere(call):
    code, out, _ = call("train", "epochs=1", "-m", "alpha=0,0.1", "model.hidden=[4]")
    assert code == 0 and "2 of 2 runs done" in out
    assert call("compare", "-m", "alpha=0", "method=none", "seed=0", "epochs=1", "model.hidden=[4]")[0] == 0


@pytest.mark.parametrize("launcher", ["stacked", "basic"])
@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ("alpha=0,2", ["job 1", "alpha=2"]),
        ("data.select=50,9000", ["select 9000", "5000 rows"]),
        ("seed=range(3,1)", ["no runs"]),
    ],
)
@pytest.mark.parametrize("batch", ["null", "1"])
def test_no_job_trains_if_one_is_invalid(launcher, grid, words, batch, call, tmp_path):
    options = [f"hydra/launcher={launcher}", f"hydra.sweeper.max_batch_size={batch}"]
    code, out, err = call("train", "-m", *options, grid, "epochs=1")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert not [word for word in words if word not in err]
    assert not (tmp_path / "results" / "runs").exists()


def test_hydra_job_chdir_does_not_move_the_results(call, tmp_path):
    code, out, _ = call("train", "epochs=1", "hydra.job.chdir=true")
    assert code == 0 and len(list((tmp_path / "results" / "runs").iterdir())) == 1
    code, out, _ = call("train", "-m", "epochs=1", "seed=0,1", "hydra.job.chdir=true")
    assert (
        code == 0 and "2 of 2 runs done" in out and len(list((tmp_path / "results" / "runs").iterdir())) == 2
    )


def test_settings_without_a_column_distinguish_rows(call, tmp_path):
    code, out, _ = call("train", "-m", "model.hidden=[4],[8]", "alpha=0,0.1", "seed=0,1", "epochs=1")
    assert code == 0
    summary = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "summary.csv")
    assert sorted(summary["model.hidden"]) == ["[4]", "[4]", "[8]", "[8]"]
    smoothed = summary[summary["alpha"] > 0].set_index("model.hidden")
    plain = summary[summary["alpha"] == 0].set_index("model.hidden")
    assert (smoothed["baseline"] == plain["cell"]).all()
    assert "[8]" in out


def test_sizes_that_are_null_in_one_cell_are_compared(call, tmp_path):
    grid = ["model.hidden=[4]", "data.train=1000,null", "alpha=0,0.1", "epochs=1", "data.test=1000"]
    assert call("train", "-m", *grid)[0] == 0
    summary = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "summary.csv")
    assert len(summary) == 4 and summary["baseline"].notna().all()


def test_a_run_for_two_results_folders_is_trained_for_both(call, tmp_path):
    code, out, _ = call("train", "-m", "model.hidden=[4]", "results_dir=one,two", "epochs=1")
    assert code == 0 and out.count("1 of 1 runs done") == 2
    assert len(list(tmp_path.glob("*/runs/*/result.json"))) == 2


def test_settings_may_refer_to_hydra(call, tmp_path):
    folder = "results_dir=${hydra:runtime.cwd}/there"
    code, _, _ = call("train", "-m", folder, "model.hidden=[4]", "seed=0,1", "epochs=1")
    assert code == 0 and len(list((tmp_path / "there" / "runs").iterdir())) == 2


def test_a_knob_set_for_every_run_is_part_of_every_runs_method(call, tmp_path):
    """With compare dropout=0.3, no run is called none, and dropout is not trained twice."""
    grid = ["alpha=0", "seed=0", "epochs=1", "model.hidden=[4]", "dropout=0.3"]
    code, out, _ = call("compare", *grid)
    assert code == 0 and "2 of 2 runs done" in out
    table = pd.read_csv(tmp_path / "results" / "compare-mnist5k-mlp" / "runs.csv")
    assert set(table["method"]) == {"dropout", "augment+dropout"} and set(table["dropout"]) == {0.3}


def test_hydra_full_error_shows_tracebacks(monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match="alpah"):
        main(["train", "alpah=1"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "word", "executor"),
    [(signal.SIGINT, 130, "interrupted", "stack"), (signal.SIGTERM, 143, "terminated", "pool")],
)
def test_a_stopped_sweep_stores_and_reports_finished_runs(number, code, word, executor, tmp_path):
    """The first run is stored before the signal is sent; the second would take forever."""
    sweep = ["train", "-m", "epochs=1,1000000", "model.hidden=[4]", "data.train=200", f"executor={executor}"]
    arguments = [*sweep, "checkpoint_minutes=1e-12"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "lsbench", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as sent:
        while "1/2 runs, 0 failed" not in sent.stderr.readline():
            assert sent.poll() is None
        while not list(tmp_path.rglob("state.pt")):
            assert sent.poll() is None
        sent.send_signal(number)
        out, err = sent.communicate()
    assert sent.returncode == code
    assert err.splitlines()[-1] == f"lsbench: {word}; resume with: {shlex.join(['lsbench', *arguments])}"
    assert "1 of 2 runs done" in out and "Traceback" not in err
    assert list(pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")["epochs"]) == [1]
    [state] = tmp_path.rglob("state.pt")
    assert torch.load(state, weights_only=True)["optimizer"]["steps"] > 0


@pytest.mark.slow
def test_two_processes_with_two_hash_seeds_write_the_same_tables(call, shell, tmp_path):
    sweep = ["train", "-m", "alpha=0,0.1", "dropout=0,0.5", "label_noise=0.1", "epochs=1", "data.train=300"]
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    folders = ["results_dir=results1", "results_dir=results2"]
    assert call(*sweep, "model.hidden=[8]", folders[0])[0] == 0
    assert shell(*sweep, "model.hidden=[8]", folders[1], PYTHONHASHSEED=hash_seed).returncode == 0
    for name in ("runs.csv", "summary.csv"):
        tables = [pd.read_csv(path) for path in sorted(tmp_path.glob(f"results?/sweep-mnist5k-mlp/{name}"))]
        first, second = (
            table.drop(columns=table.filter(regex="^train_seconds|^finished$")) for table in tables
        )
        assert len(first.columns) > 40 and first.to_csv() == second.to_csv(), name
