"""lsbench decide on tiny networks: looks, plan, resumption, and wrong input."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lsbench.training.stack import Stack

SMALL = ("epochs=1", "data.train=100", "data.test=100", "model.hidden=[4]", "executor=stack")
PLAN = ("looks=[3,4]", "question=[accuracy]")
FOLDER = Path("results/decide-mnist5k-mlp")
TIMES = ("train_seconds", "finished")

pytestmark = pytest.mark.usefixtures("here", "sketched")


@pytest.fixture
def decide(call):
    def run(*words, settings=SMALL):
        return call("decide", *words, *settings)

    return run


def contents():
    """The files of the decision that do not hold times."""
    tables = [pd.read_csv(FOLDER / name, dtype=str) for name in ("runs.csv", "summary.csv")]
    texts = [table[[name for name in table if not name.startswith(TIMES)]].to_csv() for table in tables]
    return [*texts, (FOLDER / "decide.json").read_text(), without_times(FOLDER / "report.md")]


def without_times(path):
    return "".join(
        line for line in path.read_text().splitlines() if not line.startswith("- Last run finished")
    )


def test_looks_are_taken_until_the_question_is_settled_or_the_budget_spent(decide):
    code, out, err = decide(*PLAN)
    assert code == 0, err
    looks = [line for line in out.splitlines() if line.startswith(("3 pairs:", "4 pairs:"))]
    table = pd.read_csv(FOLDER / "runs.csv")
    pairs = int(looks[-1].split()[0])
    assert len(looks) == (1 if pairs == 3 else 2) and len(table) == 2 * pairs
    assert sorted(set(table["alpha"])) == [0.0, 0.1] and set(table["seed"]) == set(range(pairs))
    assert f"{2 * pairs} runs were spent, of at most 8" in out
    plan = json.loads((FOLDER / "decide.json").read_text())
    assert plan["looks"] == [3, 4] and plan["questions"] == ["test_accuracy"] and len(plan["levels"]) == 2
    text = (FOLDER / "report.md").read_text()
    assert text.index("## The decision") < text.index("## mnist5k, mlp")
    assert "![Look by look" in text and "do not account for the looks" in text


@pytest.mark.parametrize(
    "steps", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(7, marks=pytest.mark.slow)]
)
def test_an_interrupted_decision_resumes_with_the_same_bytes(steps, decide, monkeypatch):
    """Interrupted in the first look, between epochs and in the second; nothing finished is trained again."""
    settings = (*SMALL, "epochs=3", "batch_size=50")
    decide(*PLAN, settings=settings)
    before = contents()
    shutil.move("results", "reference")
    taken, train_step = [], Stack.train_step

    def interrupted(self, *arguments):
        taken.append(1)
        if len(taken) == steps + 1:
            raise KeyboardInterrupt
        return train_step(self, *arguments)

    monkeypatch.setattr(Stack, "train_step", interrupted)
    code, _, err = decide(*PLAN, settings=settings)
    if len(taken) > steps:
        assert code == 130 and "resume with: lsbench decide" in err
    monkeypatch.setattr(Stack, "train_step", train_step)
    assert decide(*PLAN, settings=settings)[0] == 0 and contents() == before
    monkeypatch.setattr(Stack, "train_step", None)
    assert decide(*PLAN, settings=settings)[0] == 0 and contents() == before


@pytest.mark.slow
def test_another_plan_is_refused_and_a_restart_is_said_in_the_report(decide, call):
    decide(*PLAN)
    for words in (
        ("looks=[3,5]", "question=[accuracy]"),
        ("looks=[3,4]", "question=[ece]"),
        (*PLAN, "lr=0.05"),
    ):
        code, _, err = decide(*words)
        assert code == 2 and "was begun with another plan" in err and "--restart" in err
    code, _, _ = decide("looks=[3,5]", "question=[accuracy]", "--restart")
    assert code == 0
    text = (FOLDER / "report.md").read_text()
    assert "The plan was changed 1 time after it had been begun" in text
    report = json.loads(call("report", FOLDER.name, "--json")[1])["reports"][0]
    assert report["decision"]["changed"][0]["looks"] == [3, 4]
    assert report["decision"]["questions"][0]["metric"] == "test_accuracy"


@pytest.mark.slow
def test_a_time_is_a_budget(decide):
    """After the first look no time is left, whatever the second look would take."""
    code, out, err = decide("looks=[3,20]", "question=[accuracy]", "budget=1s")
    assert code == 0, err
    table = pd.read_csv(FOLDER / "runs.csv")
    assert len(table) in (6, 40) and ("open" in out) == (len(table) == 6)


def test_a_run_that_diverges_makes_the_exit_code_1(decide):
    code, out, _ = decide(*PLAN, settings=(*SMALL, "epochs=3", "batch_size=50", "lr=1e9"))
    assert code == 1 and "diverged" in out and "next:" not in out


def test_runs_that_all_diverge_have_a_report_without_a_path(decide):
    code, _, err = decide(*PLAN, settings=(*SMALL, "epochs=3", "batch_size=50", "lr=1e30"))
    assert code == 1 and "Error" not in err
    text = (FOLDER / "report.md").read_text()
    assert "![Look by look" not in text and "6 runs were spent, of at most 8" in text
    assert "no further look is taken" in err


def test_alpha_is_trained_with_all_its_digits(decide):
    assert decide("looks=[3]", "question=[accuracy]", "alpha=0.12345678")[0] == 0
    assert set(pd.read_csv(FOLDER / "runs.csv")["alpha"]) == {0.0, 0.12345678}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["budget=0"], "budget=0: allowed"),
        (["budget=2"], "budget=2: allowed"),
        (["budget=abc"], "budget=abc: allowed"),
        (["budget=-5"], "budget=-5: allowed"),
        (["budget=20days"], "30s, 20min, 2h"),
        (["question=[nope]"], "question=nope: no such question"),
        (["question=[acuracy]"], "did you mean accuracy"),
        (["question="], "question=: allowed is a list"),
        (["looks=[8,4]"], "looks=[8,4]: allowed are ascending"),
        (["looks=[2,4]"], "from 3 to 1000"),
        (["looks=[3,10000000]"], "numbers of pairs up to 1000"),
        (["looks=[x]"], "allowed are numbers of pairs"),
        (["looks="], "looks=: allowed is a list such as [5,10,20]"),
        (["looks=[3,٤]"], "allowed are numbers of pairs"),
        (["looks=[3,4]", "budget=4"], "leave out one of them"),
        (["budget=٤"], "budget=٤: allowed"),
        (["alpha=0"], "alpha=0: allowed is a number above 0"),
        (["alpha=1.5"], "alpha=1.5: allowed"),
        (["alpha=0.1,0.2"], "decide compares one value of each setting"),
        (["method=none,dropout"], "decide compares one value of each setting"),
        (["seed=3"], "seed=3: decide takes the seeds"),
        (["nonsense"], "a setting is KEY=VALUE"),
        (["hydra.mode=RUN"], "decide always trains several runs"),
        (["--budget=3"], "no such flag"),
    ],
)
def test_wrong_input_ends_in_one_line_before_anything_is_written(words, message, decide):
    code, out, err = decide(*words)
    assert code == 2 and message in err and len(err.splitlines()) == 1 and not out
    assert "Error in call" not in err
    assert not Path("results/runs").exists() and not FOLDER.exists()


def test_a_dry_run_shows_the_first_look_and_all_of_them_and_writes_nothing(decide):
    code, out, err = decide(*PLAN, "--dry-run")
    assert code == 0, err
    assert "first look, 3 pairs:" in out and "all looks, 4 pairs:" in out and "8 runs: 0 stored" in out
    assert not FOLDER.exists()


@pytest.mark.slow
def test_a_method_is_compared_with_itself(decide):
    code, _, err = decide(*PLAN, "method=weight_decay", "alpha=0.2")
    assert code == 0, err
    table = pd.read_csv(FOLDER / "runs.csv")
    assert set(table["method"]) == {"weight_decay"} and set(table["alpha"]) == {0.0, 0.2}


@pytest.mark.slow
def test_permuted_test_labels_change_no_plan_no_choice_and_no_temperature(decide, monkeypatch):
    """The labels of the test rows alone are permuted, after training."""
    decide(*PLAN)
    before = pd.read_csv(FOLDER / "runs.csv").set_index(["alpha", "seed"])
    plan = json.loads((FOLDER / "decide.json").read_text())
    labels = Stack.labels
    monkeypatch.setattr(
        Stack,
        "labels",
        lambda self, split: labels(self, split).roll(7, dims=1) if split == "test" else labels(self, split),
    )
    code, _, err = decide(*PLAN, "name=permuted", settings=(*SMALL, "results_dir=others"))
    assert code == 0, err
    after = pd.read_csv("others/permuted/runs.csv").set_index(["alpha", "seed"])
    common = before.index.intersection(after.index)
    for name in ("temperature", "select_nll", "select_nll_ts", "select_accuracy"):
        assert (before.loc[common, name] == after.loc[common, name]).all()
    assert (before.loc[common, "test_accuracy"] != after.loc[common, "test_accuracy"]).any()
    permuted = json.loads(Path("others/permuted/decide.json").read_text())
    assert permuted == plan


@pytest.mark.slow
def test_a_decision_and_a_sweep_do_not_take_each_others_name(decide, call):
    decide(*PLAN)
    content = (FOLDER / "sweep.json").read_bytes()
    code, _, err = call("train", "-m", "alpha=0,0.1", f"name={FOLDER.name}", *SMALL)
    assert code == 2 and f"name={FOLDER.name}: is a decision under" in err
    assert (FOLDER / "sweep.json").read_bytes() == content
    assert call("train", "-m", "alpha=0,0.1", "name=grid", *SMALL)[0] == 0
    code, _, err = decide(*PLAN, "name=grid")
    assert code == 2 and "name=grid: is a sweep under results" in err


def test_an_experiment_with_a_grid_is_refused(decide):
    code, _, err = decide("experiment=compare")
    assert code == 2 and "decide has no grid; leave out experiment=" in err
