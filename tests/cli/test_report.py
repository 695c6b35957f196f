"""`lsbench report` on stored runs: files, streams and exit codes, one or several sweeps, text and JSON."""

import json
import math
import re
import shlex
import shutil
from functools import partial

import pandas as pd
import pytest

from lsbench.cli import main
from lsbench.errors import UsageError
from lsbench.store import runs, sweeps
from lsbench.store.sweeps import combine

from ..records import make_results, without_checksums

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture
def store(tmp_path):
    """Store records as those of a sweep; ``missing`` runs are listed without a record."""

    def store_records(name, records, missing=()):
        for record in records:
            folder = runs.run_dir(tmp_path, record["run"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").write_text(json.dumps(record))
        listed = tuple(record["run"] for record in records) + tuple(missing)
        sweeps.write_sweep(tmp_path, sweeps.Sweep(name, f"lsbench train -m name={name}", listed))
        return records

    return store_records


@pytest.fixture
def call(call, tmp_path):
    return partial(call, "report", f"results_dir={tmp_path}")


def every_state(sweep, record):
    """Two cells, each with three done, one diverged and one failed run."""
    records = sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(3))
    for alpha in (0.0, 0.1):
        records.append(
            record("none", alpha, 3, status="diverged", diverged_step=7, error="the loss was not finite")
        )
        records.append(record("none", alpha, 4, status="failed", n_train=None, error="out of memory"))
    return records


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_failed_diverged_and_missing_runs_are_reported(store, call, sweep, record, tmp_path):
    records = store("mine", every_state(sweep, record), missing=["gone-a", "gone-b"])
    code, out, err = call("mine")
    assert (code, err) == (1, "")
    assert "6 of 12 runs done" in out and "diverged: the loss was not finite" in out
    text = (tmp_path / "mine" / "report.md").read_text()
    assert "10 (6 done, 2 diverged, 2 failed); 2 missing" in text
    for r in records[6:]:
        assert re.search(rf"\| {re.escape(r['run'])} +\| +{r['status']} \| +{r['error']} \|", text)
    assert re.search(r"\| gone-a +\| +missing \|", text) and "2 more runs did not finish" in text
    summary = pd.read_csv(tmp_path / "mine" / "summary.csv")
    assert summary["n"].tolist() == [3, 3] and summary["n_failed"].tolist() == [2, 2]
    table = pd.read_csv(tmp_path / "mine" / "runs.csv")
    assert table["status"].value_counts().to_dict() == {"done": 6, "diverged": 2, "failed": 2}
    document = json.loads(call("mine", "--json")[1])["reports"][0]
    assert document["runs"] == {"done": 6, "diverged": 2, "failed": 2}
    assert document["missing"] == ["gone-a", "gone-b"]
    assert [r["run"] for r in document["unfinished"]] == [r["run"] for r in records[6:]]


def test_json_is_the_summary_and_nothing_else(store, call, sweep, tmp_path):
    records = store("mine", sweep(alphas=[0.0, 0.1], seeds=range(8)))
    code, out, err = call("mine", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out, parse_constant=refuse)
    (report,) = document["reports"]
    (table,) = report["tables"]
    [part] = make_results(records).parts
    assert (report["name"], table["data"], table["model"]) == ("mine", "mnist5k", "mlp")
    for row, wanted in zip(table["summary"], part.cells.to_dict("records"), strict=True):
        assert list(row) == list(wanted)
        for name, value in wanted.items():
            empty = isinstance(value, float) and math.isnan(value)
            assert row[name] is None if empty else row[name] == value
    verdicts = part.verdicts
    assert [v["word"] for v in table["verdicts"]] == [v.word for v in verdicts]
    assert [v["effect"] for v in table["verdicts"]] == [v.effect for v in verdicts]
    chosen = [(c.label, c.row["cell"]) for c in part.choices]
    assert [(c["method"], c["cell"]) for c in table["choices"]] == chosen
    assert document["margins"]["test_accuracy"] == 0.002
    assert report["provenance"]["seed"] == list(range(8))
    assert str(tmp_path / "mine" / "summary.csv") in report["files"]
    assert (tmp_path / "mine" / "report.md").exists()


def test_several_names_are_a_report_each_in_one_document(store, call, sweep):
    store("a", sweep(seeds=[0, 1], alphas=[0.1]))
    store("b", sweep(seeds=[0, 1], alphas=[0.2]), missing=["gone"])
    code, out, _ = call("a", "b", "a", "--json")
    document = json.loads(out, parse_constant=refuse)
    assert code == 1 and [report["name"] for report in document["reports"]] == ["a", "b"]
    code, out, _ = call("a", "b")
    assert code == 1 and out.count("runs done") == 2
    first, second = out.index("a\n\nmnist5k, mlp\n"), out.index("\n\nb\n\nmnist5k, mlp\n")  # each by its name
    assert first == 0 < out.index("a/report.html") < second < out.index("b/report.html")
    assert call("b")[1].startswith("mnist5k, mlp\n")


def test_name_makes_one_report_of_several_sweeps(store, call, sweep, tmp_path):
    a = store("a", sweep(methods=["none"], alphas=[0.0, 0.1]))
    b = store("b", sweep(methods=["none"], alphas=[0.1, 0.2]) + sweep(data="cifar10"))
    code, out, _ = call("a", "b", "name=both")
    assert code == 0 and "next:" not in out
    table = pd.read_csv(tmp_path / "both" / "runs.csv")
    assert set(table["run"]) == {r["run"] for r in a + b} and len(table) == 15 + 75
    assert set(table.loc[table["data"] == "mnist5k", "alpha"]) == {0.0, 0.1, 0.2}
    summary = pd.read_csv(tmp_path / "both" / "summary.csv")
    compared = summary[(summary["data"] == "mnist5k") & (summary["alpha"] == 0.2)].iloc[0]
    assert compared["test_accuracy_diff_n"] == 5  # in b alone it has no baseline
    assert f"results_dir={tmp_path} a b name=both" in (tmp_path / "both" / "report.md").read_text()
    before = (tmp_path / "both" / "summary.csv").read_bytes()
    assert call("both")[0] == 0 and call("a", "b", "name=both", "--json")[0] == 0
    assert (tmp_path / "both" / "summary.csv").read_bytes() == before


def test_a_combined_report_never_overwrites_a_sweep(store, sweep, tmp_path):
    for name in ("a", "b"):
        store(name, sweep(seeds=[0], alphas=[0.0], methods=["none"]))
    store("c", sweep(seeds=[0], alphas=[0.1], methods=["none"]))
    before = sweeps.read_sweep(tmp_path, "c")
    for name, words in {"a": "one of", "c": "trained sweep", "../x": "letters", "runs": "letters"}.items():
        with pytest.raises(UsageError, match=words):
            combine(tmp_path, ["a", "b"], name, "lsbench report a b")
    assert sweeps.read_sweep(tmp_path, "c") == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jsno", "a"], "--jsno: no such flag; did you mean --json?"),
        (["--json"], "name at least one sweep"),
        (["--json", "a", "nothing"], "no sweep named nothing"),
        (["a", "name=../x"], "letters"),
        (["a", "nmae=both"], "report: no option nmae; did you mean name=?"),
        (["a", "alpha=0.1"], "report: no option alpha; there are results_dir=, name="),
    ],
)
def test_usage_errors_are_one_line_with_nothing_on_stdout(arguments, words, store, call, sweep):
    store("a", sweep(seeds=[0], alphas=[0.0], methods=["none"]))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_a_sweep_may_have_an_equals_sign_in_its_name(store, call, sweep):
    store("alpha=0.1", sweep(seeds=[0, 1], alphas=[0.1]))
    assert call("alpha=0.1", "--json")[0] == 0


def test_a_sweep_without_a_record_is_valid_json(store, call):
    store("empty", [], missing=["gone"])
    code, out, _ = call("empty", "--json")
    (report,) = json.loads(out, parse_constant=refuse)["reports"]
    assert code == 1 and report["tables"] == [] and report["missing"] == ["gone"]


def test_tables_stay_if_their_runs_are_gone(store, call, tmp_path, sweep):
    """For example in a clone of a repository that has the tables but not the runs."""
    records = store("gone", sweep(alphas=[0.0, 0.1], seeds=[0, 1]))
    assert call("gone")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "gone").rglob("*") if path.is_file()}
    for record in records:
        shutil.rmtree(runs.run_dir(tmp_path, record["run"]))
    code, out, err = call("gone")
    assert (code, out) == (4, "") and "none of the" in err and err.count("\n") == 1
    assert before == {path: path.read_bytes() for path in (tmp_path / "gone").rglob("*") if path.is_file()}


@pytest.fixture
def trained(here, capsys, tmp_path):
    """Two alphas and three seeds, trained and stored; returns their folders in the order of their names."""
    small = ["model.hidden=[8]", "data.train=200", "data.test=100", "epochs=1", "executor=stack"]
    assert (
        main(["train", "-m", "alpha=0,0.1", "seed=0,1,2", "name=mine", f"results_dir={tmp_path}", *small])
        == 0
    )
    capsys.readouterr()
    return sorted(path.parent for path in tmp_path.glob("runs/*/result.json"))


def flip(path, position=0.5):
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:100])


def test_damaged_runs_are_left_out_and_named_and_the_others_reported(trained, call, tmp_path):
    """Without --verify, those whose files cannot be read."""
    damaged = dict(
        zip(("predictions.npz", "reliability.csv", "history.csv", "result.json"), trained, strict=False)
    )
    for name, folder in damaged.items():
        truncate(folder / name)
    code, out, err = call("mine")
    assert (code, err) == (4, "") and "2 of 6 runs done" in out and "next:" not in out
    lines = [line for line in out.splitlines() if line.startswith("damaged: ")]
    assert len(lines) == 4
    for name, folder in damaged.items():
        assert [line for line in lines if f"{folder / name}: " in line and "delete the run's folder" in line]
    assert set(pd.read_csv(tmp_path / "mine" / "runs.csv")["run"]) == {folder.name for folder in trained[4:]}
    assert pd.read_csv(tmp_path / "mine" / "summary.csv")["n"].sum() == 2
    text = (tmp_path / "mine" / "report.md").read_text()
    assert "2 (2 done, 0 diverged, 0 failed); 0 missing; 4 damaged" in text
    assert text.count("| damaged |") == 4 and "report.html" in out
    report = json.loads(call("mine", "--json")[1])["reports"][0]
    assert set(report["damaged"]) == {folder.name for folder in trained[:4]} and report["missing"] == []


def test_damaged_runs_are_trained_again_once_their_folders_are_deleted(trained, call, tmp_path):
    flip(trained[0] / "model.pt")
    assert call("mine")[0] == 0
    assert call("mine", "--verify")[0] == 4
    shutil.rmtree(trained[0])
    command = json.loads((tmp_path / "mine" / "sweep.json").read_text())["command"]
    assert main(shlex.split(command)[1:]) == 0 and call("mine", "--verify")[0] == 0


@pytest.mark.parametrize(
    "name", ["config.yaml", "history.csv", "reliability.csv", "predictions.npz", "model.pt"]
)
def test_verify_names_a_file_of_which_one_bit_differs(name, trained, call):
    flip(trained[0] / name)
    code, out, _ = call("mine", "--verify")
    assert code == 4 and f"damaged: {trained[0] / name}: has changed since it was stored" in out
    assert "5 of 6 runs done" in out and "verified: 5 of 5 runs" in out
    report = json.loads(call("mine", "--verify", "--json")[1])["reports"][0]
    assert list(report["damaged"]) == [trained[0].name] and report["without_checksums"] == []


def test_verify_names_a_number_with_the_right_one(trained, call):
    path = trained[0] / "result.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"test_accuracy": 0.97, "test_nll": 0.1}))
    assert call("mine")[0] == 0
    code, out, _ = call("mine", "--verify")
    assert code == 4 and "result.json: has changed since it was stored: test_accuracy is 0.97" in out
    assert f"test_nll is 0.1, predictions give {record['test_nll']:.6f}"[:-1] in out


def test_verified_runs_change_no_table_and_those_without_checksums_are_counted(trained, call, tmp_path):
    assert call("mine")[0] == 0
    tables = {path: path.read_bytes() for path in (tmp_path / "mine").glob("*.csv")}
    assert not [
        name
        for name in pd.read_csv(tmp_path / "mine" / "runs.csv")
        if "sha256" in name and name != "data_sha256"
    ]
    code, out, _ = call("mine", "--verify")
    assert code == 0 and "verified: 6 of 6 runs\n" in out and "next:" in out
    without_checksums(trained[0])
    code, out, _ = call("mine", "--verify")
    assert code == 0 and "verified: 5 of 6 runs; 1 cannot be: lsbench 0.2 and earlier" in out
    assert tables == {path: path.read_bytes() for path in (tmp_path / "mine").glob("*.csv")}


def test_a_sweep_of_which_every_run_is_damaged_says_so(trained, call):
    for folder in trained:
        truncate(folder / "result.json")
    code, out, err = call("mine")
    assert (code, err) == (4, "") and out.count("damaged: ") == 6 and "0 of 6 runs done" in out
