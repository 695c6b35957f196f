import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lsbench.config import MethodConfig
from lsbench.errors import StorageError, UsageError
from lsbench.store import probe_values, records, runs, sweeps
from lsbench.terms import COLUMNS, Outcome

MEASURED = dict.fromkeys(records.MEASURED_COLUMNS, 0.125)
DONE = Outcome(
    "done",
    {"test_accuracy": 0.5, "select_nll": 0.25, "temperature_flag": "", "test_extra": 1.5} | MEASURED,
    history=({"epoch": 1, "train_loss": 0.125}, {"epoch": 2, "train_loss": 0.1}),
    reliability=({"lower": 0.0, "n": 2}, {"lower": 0.5, "n": 1}),
    predictions={"test_logits": np.ones((2, 3), np.float32), "test_labels": np.array([0, 1])},
    weights={"layer.weight": torch.arange(4.0)},
)


@pytest.fixture
def run(make_run):
    return make_run(seed=3, alpha=0.1)


def test_a_stored_run_has_all_its_files(run, tmp_path):
    record = runs.write(tmp_path, run, "d" * 64, DONE, "cpu")
    folder = tmp_path / "runs" / record["run"]
    names = {"config.yaml", "history.csv", "reliability.csv", "predictions.npz", "model.pt", "result.json"}
    assert {path.name for path in folder.iterdir()} == names
    content = json.loads((folder / "result.json").read_text())
    assert content.pop("sha256").keys() == names
    assert content == record == runs.read(tmp_path, record["run"])
    with (folder / "history.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "train_loss": "0.125"},
            {"epoch": "2", "train_loss": "0.1"},
        ]
    assert (folder / "reliability.csv").read_text() == "lower,n\n0.0,2\n0.5,1\n"
    arrays = np.load(folder / "predictions.npz")
    assert np.array_equal(arrays["test_labels"], [0, 1]) and arrays["test_logits"].dtype == np.float32
    assert torch.equal(torch.load(folder / "model.pt", weights_only=True)["layer.weight"], torch.arange(4.0))
    assert "alpha: 0.1" in (folder / "config.yaml").read_text()


def test_a_record_has_every_column_in_order_then_further_keys(run, tmp_path):
    record = runs.write(tmp_path, run, "d" * 64, DONE, "cpu")
    assert tuple(record)[: len(COLUMNS)] == tuple(COLUMNS)
    further = set(list(record)[len(COLUMNS) :])
    assert {"cell", "temperature_flag", "diverged_step", "test_extra"} < further
    assert (record["model.hidden"], record["data.select"], record["optim.name"]) == ("[16]", 20, "sgd")
    assert "optim.beta1" not in further and "model.name" not in further
    assert (record["alpha"], record["seed"], record["data"], record["model"]) == (0.1, 3, "tiny", "mlp")
    assert (record["status"], record["device"], record["data_sha256"]) == ("done", "cpu", "d" * 64)
    assert record["torch"] == torch.__version__.partition("+")[0] or record["torch"] == torch.__version__
    assert record["finished"].endswith("+00:00") and record["test_ece"] is None


def test_knobs_of_added_methods_become_columns(run, tmp_path):
    mixed = replace(run, method=MethodConfig("mixup", {"mixup_beta": 0.2}))
    assert runs.write(tmp_path, mixed, "d", DONE, "cpu")["mixup_beta"] == 0.2


def test_nan_and_infinity_are_null_in_json(run, tmp_path):
    outcome = replace(DONE, columns={"test_nll": math.nan, "test_ece": math.inf} | MEASURED)
    record = runs.write(tmp_path, run, "d", outcome, "cpu")
    stored = runs.read(tmp_path, record["run"])
    assert stored["test_nll"] is None and stored["test_ece"] is None


def test_done_and_diverged_runs_are_final_and_failed_ones_are_not():
    assert not runs.is_final(None)
    states = {status: runs.is_final({"status": status}) for status in ("done", "diverged", "failed")}
    assert states == {"done": True, "diverged": True, "failed": False}


def test_the_record_is_written_last(run, tmp_path, monkeypatch):
    written = []
    write = runs.write_atomically
    monkeypatch.setattr(
        runs, "write_atomically", lambda path, content: (written.append(path.name), write(path, content))
    )
    runs.write(tmp_path, run, "d", DONE, "cpu")
    assert written[-1] == "result.json"


def test_a_run_interrupted_before_its_record_is_not_stored(run, tmp_path, monkeypatch):
    write = runs.write_atomically

    def cut(path, content):
        if path.name == "result.json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(runs, "write_atomically", cut)
    with pytest.raises(KeyboardInterrupt):
        runs.write(tmp_path, run, "d", DONE, "cpu")
    assert runs.read(tmp_path, run.run_id("d")) is None


def test_a_damaged_record_is_named(run, tmp_path):
    record = runs.write(tmp_path, run, "d", DONE, "cpu")
    path = tmp_path / "runs" / record["run"] / "result.json"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"result\.json"):
            runs.read(tmp_path, record["run"])


@pytest.mark.parametrize("content", ["{}", "[]", "5", "null", '{"status": "done"}'])
def test_json_that_is_not_a_record_is_named(content, run, tmp_path):
    path = tmp_path / "runs" / run.run_id("d") / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(StorageError, match=r"result\.json: not a valid run record"):
        runs.read(tmp_path, run.run_id("d"))


def test_a_folder_that_cannot_be_written_is_named_before_training(tmp_path):
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="results"):
        runs.check_writable(tmp_path / "results")


def test_a_sweep_is_stored_and_replaced_by_name(tmp_path):
    sweeps.write_sweep(tmp_path, sweeps.Sweep("one", "lsbench train -m", ("a", "b")))
    sweeps.write_sweep(tmp_path, sweeps.Sweep("one", "lsbench train -m seed=1", ("b",)))
    assert sweeps.read_sweep(tmp_path, "one") == sweeps.Sweep("one", "lsbench train -m seed=1", ("b",))
    with pytest.raises(UsageError, match=r"no sweep named two under .*; sweeps there: one"):
        sweeps.read_sweep(tmp_path, "two")
    for listed in ("[1]", '"ab"', '["../../etc"]', "null"):
        content = f'{{"name": "one", "command": "c", "runs": {listed}}}'
        (tmp_path / "one" / "sweep.json").write_text(content)
        with pytest.raises(StorageError, match=r"sweep\.json"):
            sweeps.read_sweep(tmp_path, "one")


@pytest.mark.parametrize(
    "damage",
    [
        *({"test_accuracy": "abc"}, {"data": None}, {"status": "?"}, {"run": "../../../elsewhere"}),
        *({"data": "/../../../../elsewhere/y"}, {"model": ".."}, {"model": "a/b"}),
    ],
)
def test_a_record_of_the_wrong_types_is_named(damage, run, tmp_path):
    record = runs.write(tmp_path, run, "d", DONE, "cpu") | damage
    run_id = run.run_id("d")
    (tmp_path / "runs" / run_id / "result.json").write_text(json.dumps(record))
    with pytest.raises(StorageError, match=r"result\.json: not a valid run record"):
        runs.read(tmp_path, run_id)


@pytest.mark.parametrize("name", [*records.MEASURED_COLUMNS, *records.FURTHER_COLUMNS, "select_nll"])
def test_a_record_without_a_key_that_every_record_has_is_named(name, run, tmp_path):
    record = runs.write(tmp_path, run, "d", DONE, "cpu")
    path = tmp_path / "runs" / record["run"] / "result.json"
    del record[name]
    path.write_text(json.dumps(record))
    with pytest.raises(StorageError, match=r"valid run record .*; delete the run's folder"):
        runs.read(tmp_path, record["run"])


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_that_is_not_done_needs_no_measured_columns(status, run, tmp_path):
    record = runs.write(tmp_path, run, "d", Outcome(status, {}, error="why"), "cpu")
    assert runs.read(tmp_path, record["run"]) == record and "select_nll_ts" not in record


def test_a_sweep_with_claims_and_one_without_cannot_share_a_name(tmp_path):
    claims = {"width": ["a"]}
    sweeps.write_sweep(tmp_path, sweeps.Sweep("page", "lsbench claims", ("a",), claims))
    sweeps.write_sweep(tmp_path, sweeps.Sweep("grid", "lsbench compare", ("a",)))
    with pytest.raises(UsageError, match="name=page: is a page of claims under "):
        sweeps.write_sweep(tmp_path, sweeps.Sweep("page", "lsbench compare", ("b",)))
    with pytest.raises(UsageError, match="name=grid: is a sweep without claims"):
        sweeps.write_sweep(tmp_path, sweeps.Sweep("grid", "lsbench claims", ("b",), claims))
    assert [sweeps.read_sweep(tmp_path, name).runs for name in ("page", "grid")] == [("a",), ("a",)]
    sweeps.write_sweep(tmp_path, sweeps.Sweep("page", "lsbench claims", ("b",), claims))
    (tmp_path / "grid" / "sweep.json").write_text("damaged")
    sweeps.write_sweep(tmp_path, sweeps.Sweep("grid", "lsbench claims", ("b",), claims))
    assert sweeps.read_sweep(tmp_path, "grid").claims == claims


def test_noted_runs_are_read_in_order_by_key(tmp_path):
    assert sweeps.noted_runs(tmp_path / "jobs", "k") == []
    noted = [("résultats", "mine", "a"), ("résultats", "mine", "b")]
    for run in noted:
        sweeps.note_run(tmp_path / "jobs", "k", *run)
    sweeps.note_run(tmp_path / "jobs", "other", *noted[0])
    assert sweeps.noted_runs(tmp_path / "jobs", "k") == noted


@pytest.mark.parametrize("content", [b'["results", "mi', b'["results"]\n', b"3\n", b'["\xff", "b", "c"]\n'])
def test_damaged_notes_are_named(content, tmp_path):
    (tmp_path / "runs-k.jsonl").write_bytes(content)
    with pytest.raises(StorageError, match=r"runs-k\.jsonl: cannot be read .*; run the command again"):
        sweeps.noted_runs(tmp_path, "k")


def test_the_values_of_a_probe_are_stored_beside_the_run(tmp_path):
    assert probe_values.read(tmp_path, "a", "fgsm") is None
    probe_values.write(tmp_path, "a", "fgsm", {"version": 1, "values": {"x": math.nan}})
    path = tmp_path / "runs" / "a" / "probes" / "fgsm.json"
    content = json.loads(path.read_text())
    assert len(content.pop("sha256")) == 64 and content == {"version": 1, "values": {"x": None}}
    assert probe_values.read(tmp_path, "a", "fgsm") == {"version": 1, "values": {"x": None}}
    path.write_text(json.dumps(content))
    assert probe_values.read(tmp_path, "a", "fgsm") == content, "as lsbench 0.2 stored it"
    probe_values.write(tmp_path, "a", "fgsm", content)
    for damaged in ("{", path.read_text().replace('"version": 1', '"version": 2')):
        path.write_text(damaged)
        assert probe_values.read(tmp_path, "a", "fgsm") is None
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=r"fgsm\.json: cannot be read"):
        probe_values.read(tmp_path, "a", "fgsm")
