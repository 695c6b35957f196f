"""`lsbench claims` from the command line: grids, names of pages, and small claims from end to end."""

import json
from functools import partial

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from lsbench import conf_dir
from lsbench.claims import all_claims
from lsbench.cli import claims, main, train
from lsbench.cli.claims import page_name
from lsbench.config import Name
from lsbench.hydra_app import plugins

GRIDS = sorted(path.stem for path in (conf_dir() / "experiment" / "claims").glob("*.yaml"))
pytestmark = pytest.mark.usefixtures("sketched")
WHOLE = "claims-${data.name}-${model.name}"
SMALL = ("epochs=1", "data.train=100", "data.test=100", "model.hidden=[4]")


@pytest.fixture
def call(call):
    return partial(call, "claims")


def test_each_claim_has_a_grid_and_each_grid_a_claim():
    assert sorted(all_claims()) == GRIDS
    assert len(GRIDS) > 10


@pytest.mark.parametrize("claim", GRIDS)
def test_each_grid_composes_with_ten_seeds_and_a_name_of_its_own(claim):
    plugins.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("train", [f"experiment=claims/{claim}"], return_hydra_config=True)
    assert composed.hydra.mode.name == "MULTIRUN"
    params = composed.hydra.sweeper.params
    assert params.seed == "range(10)" and ("0" in str(params.alpha).split(","))
    assert composed.name == f"{claim}-mnist5k-mlp"


def test_help_lists_every_claim(call):
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    for name, claim in all_claims().items():
        assert f"  {name} " in out and claim.words in out
    words = " ".join(out.split())
    assert "claims-mnist5k-mlp-cost+width" in words and "over the deciding comparisons of a page" in words


USAGE = [
    (["generalization"], ["generalization", "no such claim", "did you mean generalisation?"]),
    (["nonsense"], ["nonsense", "no such claim", "there are", "cost"]),
    (["generalisation", "alpha=0.3"], ["alpha", "generalisation"]),
    (["width", "model.hidden=[3]"], ["model.hidden", "width"]),
    (["generalisation", "data=mnist,mnist5k"], ["data=mnist,mnist5k", "only seed"]),
    (["generalisation", "epochs=0"], ["job 0", "epochs=0", "at least 1"]),
    (["generalisation", "alpah=0.3"], ["alpah", "did you mean alpha?"]),
    (["width", "model=resnet8"], ["no runs"]),
    (["adds_to_dropout", "dropout=0.3"], ["dropout: the claim adds_to_dropout varies it itself"]),
    (["dropout_slows", "++dropout=0.3"], ["dropout: the claim dropout_slows varies it itself"]),
    (["adds_to_weight_decay", "weight_decay=1e-3"], ["weight_decay: the claim adds_to_weight_decay"]),
    (["augmentation_wins", "augment=0"], ["augment: the claim augmentation_wins varies it itself"]),
    (["cost", "augment=0.5"], ["augment: the claim cost varies it itself"]),
    (["distillation", "method.teacher=x"], ["method.teacher: the claim distillation varies it itself"]),
    (["generalisation", "--foo"], ["--foo"]),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_a_usage_error_is_one_line_with_exit_2(arguments, words, call, tmp_path):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if "left out" not in line]
    assert len(lines) == 1 and lines[0].startswith("lsbench: ")
    assert not [word for word in words if word not in lines[0]]
    assert not list(tmp_path.glob("results/*"))


def test_a_claim_about_a_setting_that_the_model_lacks_is_left_out_with_a_warning(call, monkeypatch):
    monkeypatch.setattr("lsbench.execution.dry_run.estimate", lambda plan: 1.0)
    tiny = ("model=resnet8", "model.width=1", *SMALL[:3], "data.select=20")
    code, out, err = call("width", "overconfidence", *tiny, "seed=0", "--dry-run")
    assert code == 0
    assert "width is left out: model=resnet8 has no model.hidden" in err
    assert out.startswith("2 runs: 0 stored, 2 to train")


def test_a_method_that_no_chosen_claim_varies_can_be_on_in_every_run(call, monkeypatch):
    monkeypatch.setattr("lsbench.execution.dry_run.estimate", lambda plan: 1.0)
    fixed = ("weight_decay=1e-3", "augment=0.5")
    code, out, err = call("adds_to_dropout", "overconfidence", *SMALL, *fixed, "seed=0", "--dry-run")
    assert code == 0, err
    assert out.startswith("4 runs: 0 stored, 4 to train")


def test_a_dry_run_counts_a_run_of_two_claims_once(call, tmp_path, monkeypatch):
    monkeypatch.setattr("lsbench.execution.dry_run.estimate", lambda plan: 1.0)
    code, out, _ = call("generalisation", "calibration", "augmentation_wins", *SMALL, "seed=4,5", "--dry-run")
    assert code == 0
    assert out.startswith("18 runs: 0 stored, 18 to train")  # 7 alphas and 2 with augmentation, 2 seeds
    assert not (tmp_path / "results").exists()


def _assert_json_has(document, table, folder):
    [report] = document["reports"]
    assert (report["folder"], report["runs"]["done"], "tables" in report) == (
        str(folder)[-len(report["folder"]) :],
        12,
        False,
    )
    comparisons = [
        {"claim": claim["claim"], **comparison}
        for claim in report["claims"]
        for comparison in claim["comparisons"]
    ]
    for comparison, (_, row) in zip(comparisons, table.iterrows(), strict=True):
        for column, value in comparison.items():
            same = pd.isna(row[column]) if value in (None, "") else row[column] == value
            assert same, (column, value, row[column])
    assert report["claims"][0]["words"] == "it tames overconfidence" and report["claims"][0]["source"]


def test_claims_are_trained_judged_and_reported_again(call, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lsbench.claims.cost.ROUNDS", 6)
    command = ("overconfidence", "cost", "dropout_slows", *SMALL, "executor=stack", "seed=range(2)")
    code, out, err = call(*command)
    assert code == 0, err
    names = [line.split()[0] for line in out.splitlines() if line[:1].strip()]  # others are continued
    assert names[:3] == ["overconfidence", "cost", "dropout_slows"]
    # epochs to an accuracy differ alike in both seeds, which cannot be tested, and a cost has no p
    assert f"Holm-adjusted over the 1 deciding comparison of 3 of the {len(GRIDS)} claims" in out
    assert "12 of 12 runs done" in out
    assert "next:" not in out  # more seeds until a claim is supported would be no test
    name = "claims-mnist5k-mlp-overconfidence+cost+dropout_slows"
    folder = tmp_path / "results" / name
    sweep = json.loads((folder / "sweep.json").read_text())
    assert {name: len(ids) for name, ids in sweep["claims"].items()} == {
        "overconfidence": 4,
        "cost": 12,
        "dropout_slows": 4,
    }
    runs, table = pd.read_csv(folder / "runs.csv"), pd.read_csv(folder / "claims.csv")
    assert list(runs["run"]) == sorted(sweep["runs"], key=list(runs["run"]).index) and len(runs) == 12
    decided = table[table["decides"]].set_index("claim")
    of_claim = runs[runs["run"].isin(sweep["claims"]["overconfidence"])].pivot(
        index="seed", columns="alpha", values="test_confidence_wrong"
    )
    assert decided.loc["overconfidence", "effect"] == pytest.approx((of_claim[0.1] - of_claim[0.0]).mean())
    assert decided.loc["overconfidence", ["n", "exploratory"]].tolist() == [2, True]
    pages = [folder / f"claims.{kind}" for kind in ("html", "md", "csv")]
    assert b"## It tames overconfidence" in pages[1].read_bytes()
    assert all(path.name in out for path in pages)

    before = [path.read_bytes() for path in pages]
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/runs/*/result.json")}
    assert main(["report", name]) == 0
    assert [path.read_bytes() for path in pages] == before
    capsys.readouterr()
    assert main(["report", name, "--json"]) == 0
    _assert_json_has(json.loads(capsys.readouterr().out), table, folder)
    assert [path.read_bytes() for path in pages] == before
    assert not list(folder.glob("report.*")) and not list(folder.glob("figures/alpha*"))
    code, out, err = call("overconfidence", *SMALL, "seed=range(2)")
    assert code == 0 and "4 of 4 runs are stored already" in err
    assert "claims-mnist5k-mlp-overconfidence/claims.html" in out
    assert [path.read_bytes() for path in pages] == before  # a page of other claims is another page
    assert trained == {path: path.stat().st_mtime_ns for path in trained}


def test_a_run_that_is_not_done_is_named_and_the_exit_code_is_1(call):
    code, out, _ = call("overconfidence", *SMALL, "seed=range(2)", "lr=1e30")
    assert code == 1
    assert "overconfidence  inconclusive  none of its runs is done" in out
    assert out.count("diverged") == 4 and "0 of 4 runs done" in out


def test_no_experiment_of_train_overwrites_the_page_of_all_claims(call, tmp_path, capsys):
    """Train experiment=claims was once a run whose report replaced the page of all claims."""
    assert call("overconfidence", *SMALL, "seed=0", "name=claims-mnist5k-mlp")[0] == 0
    before = (tmp_path / "results" / "claims-mnist5k-mlp" / "sweep.json").read_bytes()
    assert main(["train", "experiment=claims", *SMALL]) == 2
    assert "experiment" in capsys.readouterr().err
    assert (tmp_path / "results" / "claims-mnist5k-mlp" / "sweep.json").read_bytes() == before


@pytest.mark.slow
def test_the_claims_sweeper_takes_all_claims_if_none_is_named(call, monkeypatch, capsys):
    two = {name: all_claims()[name] for name in ("generalisation", "width")}
    monkeypatch.setattr("lsbench.claims.all_claims", lambda: two)
    monkeypatch.setattr("lsbench.execution.dry_run.estimate", lambda plan: 1.0)
    command = [*SMALL[:3], "seed=0", "--dry-run"]
    first_line = call(*command)[1].splitlines()[0]
    assert int(first_line.split()[0]) > int(call("width", *command)[1].split()[0])
    assert main(["train", "-m", "hydra/sweeper=claims", *command]) == 0
    assert capsys.readouterr().out.splitlines()[0] == first_line
    assert main(["train", "-m", "hydra/sweeper=claims", "hydra.sweeper.claims=[nonsense]", *SMALL]) == 2
    assert "nonsense: no such claim" in capsys.readouterr().err


def test_a_page_of_some_claims_has_a_name_of_its_own():
    names = list(all_claims())
    assert page_name(names) == WHOLE
    assert page_name(["cost", "width"]) == f"{WHOLE}-cost+width"
    some = [page_name(names[:number]) for number in range(1, len(names) + 1)]
    assert len(set(some)) == len(names)
    assert page_name(names[1:]) != page_name(names[:-1])  # as many, but others


@pytest.mark.parametrize("number", range(1, 14))
def test_the_name_is_one_that_a_sweep_may_have(number):
    longest = sorted(all_claims(), key=len)[-number:]
    assert page_name(longest).replace(WHOLE, "claims-fashion_mnist-resnet56") in Name()


def test_the_command_names_the_page_unless_the_user_does(monkeypatch):
    words = []
    monkeypatch.setattr(train, "start", lambda *arguments: words.append(arguments) or 0)
    for arguments in (["width", "cost", "seed=1"], ["width", "name=mine"], ["seed=1"]):
        claims.main(arguments)
    names = [
        [word for word in (*preset, *parsed.overrides) if word.startswith("name=")]
        for _, _, parsed, preset in words
    ]
    assert names == [[f"name={WHOLE}-cost+width"], ["name=mine"], [f"name={WHOLE}"]]
