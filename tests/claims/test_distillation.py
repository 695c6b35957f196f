"""The claim of distillation: planted effects, temperatures chosen without the test split, and the whole
command.
"""

import json

import numpy as np
import pandas as pd
import pytest

from lsbench.analysis.evidence import Evidence
from lsbench.analysis.findings import judge_claims
from lsbench.claims import all_claims
from lsbench.claims.distillation import taught_by
from lsbench.cli import main

TEMPERATURES = (1.0, 4.0)
SMALL = ("distillation", "epochs=1", "data.train=100", "data.test=100", "seed=0,1", "executor=stack")


def make(effect, noise, seeds=10):
    """Teachers c0 and c1, of which c1 is smoothed, their students at two temperatures, and students alone."""
    random = np.random.default_rng(0)
    luck = random.normal(0, 0.02, seeds)
    rows = [{"cell": f"c{smoothed}", "alpha": 0.1 * smoothed, "accuracy": 0.95} for smoothed in (0, 1)]
    rows += [
        {"cell": f"s{c}{t}", "method.teacher": f"c{c}", "teacher_temperature": t, "accuracy": 0.9}
        | {"worth": effect * c + (t == 4) * 0.01, "loss": 0.3 - (t == 4) * 0.1}
        for c in (0, 1)
        for t in TEMPERATURES
    ]
    rows += [{"cell": "alone", "accuracy": 0.89}]
    runs = pd.DataFrame(
        [{"alpha": 0.0, "worth": 0.0, "loss": 0.3, "seed": s} | row for row in rows for s in range(seeds)]
    )
    drawn = random.normal(0, noise, len(runs))
    runs["test_accuracy"] = runs["accuracy"] + runs["worth"] + luck[runs["seed"]] + drawn
    runs["select_nll"] = 0.5 - runs["loss"]  # which would choose the other temperature
    runs["select_nll_ts"] = runs["loss"] + luck[runs["seed"]]
    return runs.assign(run=[f"run{i}" for i in range(len(runs))])


def decide(runs):
    return judge_claims({"it": all_claims()["distillation"].compare}, {"it": Evidence(runs)})["it"]


TRUTHS = {
    "supported": (-0.05, 3e-3),
    "refuted": (0.05, 3e-3),
    "equivalent": (0, 1e-4),
    "inconclusive": (0, 0.05),
}


@pytest.mark.parametrize("verdict", TRUTHS)
def test_a_planted_truth_is_found(verdict):
    effect, noise = TRUTHS[verdict]
    results = decide(make(effect, noise).sample(frac=1, random_state=1))
    assert (results[0].word, results[0].n) == (verdict, 10)
    assert results[0].effect == pytest.approx(effect, abs=noise)
    if noise < 0.01:
        assert [item.effect for item in results[1:]] == pytest.approx([0.02, 0.02 + effect, 0], abs=2 * noise)


def test_each_seeds_temperature_is_chosen_on_select_and_the_lower_one_on_a_tie():
    runs = make(0.0, 0.01)
    by_4 = runs[(runs["method.teacher"] == "c0") & (runs["teacher_temperature"] == 4)]
    teachers = Evidence(runs[runs["cell"] == "c0"])
    chosen = taught_by(teachers, Evidence(runs))
    assert chosen.values.tolist() == by_4["test_accuracy"].tolist()
    tied = runs.assign(select_nll_ts=0.3)
    by_1 = runs[(runs["method.teacher"] == "c0") & (runs["teacher_temperature"] == 1)]
    assert taught_by(teachers, Evidence(tied)).values.tolist() == by_1["test_accuracy"].tolist()
    words = [item.words for item in decide(runs) if "student" in item.words]
    assert len(words) == 3 and all(item.endswith("(softening chosen by select NLL scaled)") for item in words)


def test_a_seed_that_lacks_a_temperature_had_less_to_choose_from_and_is_left_out():
    runs = make(0.0, 0.01)
    lost = (runs["method.teacher"] == "c1") & (runs["seed"] == 6) & (runs["teacher_temperature"] == 1)
    results = decide(runs[~lost])
    assert [item.n for item in results] == [9, 10, 9, 10]


def test_teachers_without_a_student_that_is_done_are_no_failure():
    runs = make(0.0, 0.01)
    teachers = runs[runs["cell"].isin(["c0", "c1"])]
    assert teachers["method.teacher"].isna().all()
    for results in (teachers, teachers.dropna(axis=1)):  # as where a student failed, and where none began
        assert [(item.word, item.words) for item in decide(results)] == [
            ("inconclusive", "none of its students is done")
        ]


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lsbench.execution.dry_run.estimate", lambda planned: 1.0)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["claims", *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_the_claim_from_the_command_to_the_verdict_and_again(call, tmp_path):
    """Four teachers, two students of each, which differ in their temperature, and two that learn alone."""
    assert call(*SMALL, "--dry-run")[1].startswith("14 runs: 0 stored, 14 to train")
    code, out, err = call(*SMALL)
    assert code == 0, err
    assert out.startswith("distillation  inconclusive") and "14 of 14 runs done" in out
    folder = tmp_path / "results" / "claims-mnist5k-mlp-distillation"
    runs, table = pd.read_csv(folder / "runs.csv"), pd.read_csv(folder / "claims.csv")
    assert len(json.loads((folder / "sweep.json").read_text())["claims"]["distillation"]) == 14
    students = runs[runs["method"] == "distillation"].merge(
        runs[["cell", "seed", "alpha", "n_train"]],
        left_on=["method.teacher", "seed"],
        right_on=["cell", "seed"],
    )
    assert students["alpha_y"].value_counts().to_dict() == {0.0: 4, 0.1: 4}
    assert (students["alpha_x"] == 0).all() and (students["n_train_x"] == students["n_train_y"]).all()
    best = students.loc[students.groupby(["seed", "alpha_y"])["select_nll_ts"].idxmin()]
    means = best.groupby("alpha_y")["test_accuracy"].mean()
    decided = table.iloc[0]
    assert decided["effect"] == pytest.approx(means[0.1] - means[0.0]) and decided["n"] == 2
    summary = pd.read_csv(folder / "summary.csv").set_index("cell")
    alone = summary[(summary["method"] == "none") & (summary["model.hidden"] == "[32]")]
    taught = summary[summary["method"] == "distillation"]
    assert set(taught["baseline"]) == set(alone.index) and (taught["n"] == 2).all() and len(taught) == 4

    (tmp_path / "results" / "runs" / students["run"][0] / "result.json").unlink()
    code, again, err = call(*SMALL)
    assert code == 0 and "13 of 14 runs are stored already" in err
    assert again.splitlines()[:3] == out.splitlines()[:3]


def test_what_the_students_vary_cannot_be_fixed_and_what_the_model_lacks_is_said(call):
    for fixed in ("model.hidden=[8]", "method=dropout", "method.teacher_temperature=2"):
        code, out, err = call(*SMALL, fixed)
        assert (code, out) == (
            2,
            "",
        ) and f"{fixed.partition('=')[0]}: the claim distillation varies it" in err
    code, _, err = call(*SMALL, "model=resnet8")
    assert code == 2 and "distillation is left out: model=resnet8 has no model.hidden" in err
