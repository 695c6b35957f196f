"""Checksums of stored runs: any changed byte is named."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from lsbench.errors import StorageError
from lsbench.store import checksums, probe_values, records, runs
from lsbench.store.verification import FILES, changed_files, has_checksums
from lsbench.terms import Outcome

from ..records import without_checksums

EVERY_FILE = (*FILES, "result.json", "probes/fgsm.json")


@pytest.fixture
def folder(make_run, tmp_path):
    """The folder of a stored run with every file."""
    measured = dict.fromkeys(records.MEASURED_COLUMNS, 0.125)
    outcome = Outcome(
        "done",
        {"test_accuracy": 0.5, "test_nll": 1e-8, "temperature_flag": ""} | measured,
        history=({"epoch": 1, "train_loss": 0.125}, {"epoch": 2, "train_loss": 0.1}),
        reliability=({"lower": 0.0, "n": 2}, {"lower": 0.5, "n": 1}),
        predictions={"test_logits": np.ones((2, 3), np.float32), "test_labels": np.array([0, 1])},
        weights={"layer.weight": torch.arange(4.0)},
    )
    run_id = runs.write(tmp_path, make_run(), "d" * 64, outcome, "cpu")["run"]
    probe_values.write(tmp_path, run_id, "fgsm", {"version": 1, "values": {"fgsm_accuracy": 0.25}})
    return runs.run_dir(tmp_path, run_id)


def named(folder: Path) -> set[str]:
    """The files in which damage is found."""
    try:
        return set(changed_files(folder.parents[1], folder.name))
    except runs.DamagedRunError as error:
        return {str(Path(error.args[0]).relative_to(folder))}


def content_of(path: Path) -> object:
    """What a file says: of JSON the values, of others the bytes."""
    try:
        return json.loads(path.read_bytes()) if path.suffix == ".json" else path.read_bytes()
    except ValueError:
        return None


@pytest.mark.parametrize("name", EVERY_FILE)
def test_any_changed_bit_is_named(name, folder):
    assert named(folder) == set()
    path = folder / name
    whole, meaning = path.read_bytes(), content_of(path)
    random = Random(0)
    for position in random.sample(range(len(whole)), min(len(whole), 300)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        if content_of(path) != meaning:  # 1e-08 may be written 1E-08
            # A changed checksum also makes its file look changed
            assert name in named(folder), (position, bytes(damaged[position - 20 : position + 20]))
            assert name == "result.json" or len(named(folder)) == 1
    path.write_bytes(whole)
    assert named(folder) == set()


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("length", [0, 1, 0.5, -1])
def test_a_truncated_file_is_named(length, name, folder):
    path = folder / name
    whole = path.read_bytes().rstrip()
    path.write_bytes(whole[: int(length * len(whole)) if isinstance(length, float) else length])
    assert named(folder) == {name}


@pytest.mark.parametrize("name", FILES)
def test_a_removed_and_an_exchanged_file_are_named(name, folder):
    (folder / name).unlink()
    assert changed_files(folder.parents[1], folder.name) == {name: "is missing"}
    (folder / name).write_bytes(b"another")
    assert changed_files(folder.parents[1], folder.name) == {name: "has changed since it was stored"}


def test_a_file_that_the_run_did_not_have_is_named(folder):
    record = json.loads((folder / "result.json").read_text())
    stored = record.pop("sha256")
    del stored["model.pt"], stored["result.json"]
    record = checksums.with_checksums(record, stored)
    (folder / "result.json").write_text(json.dumps(record))
    assert named(folder) == {"model.pt"}


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/passwd", ".."])
def test_checksums_of_paths_are_not_computed(name, folder, monkeypatch):
    record = json.loads((folder / "result.json").read_text())
    record["sha256"][name] = "0" * 64
    (folder / "result.json").write_text(json.dumps(record))
    opened = []
    path_open = Path.open

    def noted(path, *mode, **keywords):
        opened.append(path)
        return path_open(path, *mode, **keywords)

    monkeypatch.setattr(Path, "open", noted)
    assert name in named(folder)
    assert opened and all(path.resolve().is_relative_to(folder) for path in opened)


@pytest.mark.parametrize("damaged", [None, {}, [], "a", {"config.yaml": 3, "result.json": ""}, {"a": "b"}])
def test_checksums_of_another_form_are_a_damaged_record(damaged, folder):
    record = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(record | {"sha256": damaged}))
    with pytest.raises(runs.DamagedRunError, match="checksums are damaged"):
        runs.read(folder.parents[1], folder.name)


def test_a_run_without_checksums_is_read_as_before_and_cannot_be_compared(folder):
    assert has_checksums(folder.parents[1], folder.name)
    before = runs.read(folder.parents[1], folder.name)
    without_checksums(folder)
    assert not has_checksums(folder.parents[1], folder.name)
    assert runs.read(folder.parents[1], folder.name) == before
    (folder / "history.csv").write_text("another")
    assert changed_files(folder.parents[1], folder.name) == {}
    assert runs.read_file(folder.parents[1], folder.name, "history.csv") == b"another"


def test_a_file_is_compared_when_it_is_read(folder):
    results_dir = folder.parents[1]
    content = (folder / "config.yaml").read_bytes()
    assert runs.read_file(results_dir, folder.name, "config.yaml") == content
    (folder / "config.yaml").write_bytes(content.replace(b"seed: 0", b"seed: 1"))
    with pytest.raises(
        runs.DamagedRunError, match=r"config\.yaml: has changed .*; delete the run's"
    ) as caught:
        runs.read_file(results_dir, folder.name, "config.yaml")
    assert isinstance(caught.value, StorageError) and caught.value.run_id == folder.name


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha", "0.1"), ("lr", []), ("error", {}), ("finished", 3), ("model.hidden", [8]), ("test_nll", "1"),
     ("status", []), ("status", "well"), ("cell", None), ("data", "../mnist"), ("n_test", "many"),
     ("method", "\x1b[2J"), ("torch", "\x1b]0;title\x07"), ("model.\x1b", 1), ("cell", "../c")],
)  # fmt: skip
def test_a_record_with_values_of_other_types_is_damaged(key, value, folder):
    without_checksums(folder)
    record = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(record | {key: value}))
    stored = runs.read_all(folder.parents[1], [folder.name, "gone"])
    assert stored.records == [] and stored.missing == ["gone"]
    assert "not a valid run record" in stored.damaged[folder.name]
