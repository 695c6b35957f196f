"""Results folders made by somebody else: nothing that their files name is called, imported or followed."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lsbench.analysis.rows import row_scores
from lsbench.cli import main
from lsbench.errors import StorageError
from lsbench.store.protocols import read_protocol
from lsbench.store.runs import DamagedRunError
from lsbench.store.sweeps import measured_file, read_measured

from ..records import without_checksums

NAME = "sweep-mnist5k-mlp"
SMALL = ["model.hidden=[8]", "data.train=200", "data.test=100", "epochs=1", "executor=stack"]
MODEL = "_target_: lsbench.models.mlp.MLP"
DATA = "_target_: lsbench.data.mnist5k.load"

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results folder of two alphas, whose records have lost their checksums."""
    results = tmp_path_factory.mktemp("trained") / "results"
    assert main(["train", "-m", "alpha=0,0.1", f"results_dir={results}", *SMALL]) == 0
    for path in results.glob("runs/*/result.json"):
        without_checksums(path.parent)
    return results


@pytest.fixture
def results(trained, here, tmp_path):
    """A copy of that folder as results/ in the test's folder."""
    shutil.copytree(trained, tmp_path / "results")
    return Path("results")


def edit(results, before, after):
    """Replace text in the settings of each run."""
    for path in results.glob("runs/*/config.yaml"):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


def complaint(err):
    """The one line of the message."""
    [line] = [line for line in err.splitlines() if line.startswith("lsbench: ")]
    return line


def test_a_function_that_stored_settings_name_is_not_called(results, call):
    edit(results, f"{DATA}\n  root: null", "_target_: os.mkdir\n  root: PWNED")
    code, out, err = call("probe", NAME, "geometry")
    assert (code, out) == (4, "") and not Path("PWNED").exists()
    assert "config.yaml: data._target_=os.mkdir is not trusted" in complaint(err)
    assert "add --config-dir DIR, where DIR/data/mnist5k.yaml names it" in complaint(err)


@pytest.mark.parametrize(("group", "before"), [("data", DATA), ("model", MODEL)])
def test_a_module_that_stored_settings_name_is_not_imported(group, before, results, call):
    edit(results, before, "_target_: this.s")
    code, _, err = call("probe", NAME)
    assert code == 4 and f"{group}._target_=this.s is not trusted" in complaint(err)
    assert "this" not in sys.modules


def test_a_teacher_calls_no_model_that_its_settings_name(results, call):
    edit(results, MODEL, "_target_: this.s")
    [teacher] = [path.name for path in results.glob("runs/*-a0-*")]
    student = ["method=distillation", f"method.teacher={teacher}", *SMALL]
    code, _, err = call("train", *student)
    assert code == 4 and "model._target_=this.s is not trusted" in complaint(err)
    assert "this" not in sys.modules


def config_dir(name, target, group="model"):
    path = Path("mine", group, f"{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"name: {name}\n_target_: {target}\n")


def test_a_target_that_the_folder_of_config_dir_has_under_this_name_is_trusted(results, call, monkeypatch):
    monkeypatch.setenv("LSBENCH_CONFIG_DIRS", "")
    edit(results, MODEL, "_target_: lsbench.models.mlp:MLP")  # the same class, under another name
    config_dir("other", "lsbench.models.mlp:MLP")
    config_dir("mlp", "lsbench.models.resnet:ResNet")
    code, _, err = call("probe", NAME, "geometry", "--config-dir", "mine")
    assert code == 4 and "lsbench.models.mlp:MLP is not trusted" in complaint(err)
    (Path("mine") / "model").rename("mine/data")  # a data set of this name is not a model
    Path("more/model").mkdir(parents=True)
    Path("more/model/mlp.yaml").write_text("name: mlp\n_target_: lsbench.models.mlp:MLP\n")
    assert call("probe", NAME, "geometry", "--config-dir", "mine")[0] == 4
    assert call("probe", NAME, "geometry", "--config-dir", "more")[0] == 0


def test_a_model_of_the_current_command_is_trusted_as_its_teacher(results, call):
    edit(results, MODEL, "_target_: lsbench.models.mlp:MLP")
    [teacher] = [path.name for path in results.glob("runs/*-a0-*")]
    student = ["method=distillation", f"method.teacher={teacher}", *SMALL]
    assert call("train", *student)[0] == 4
    assert call("train", *student, "model._target_=lsbench.models.mlp:MLP")[0] == 0


def test_data_of_a_trusted_loader_may_have_any_name(results, call):
    """As `data=folder data.name=photos`."""
    edit(results, "name: mnist5k", "name: photos")
    assert call("probe", NAME, "geometry")[0] == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('!!python/object/apply:os.mkdir ["PWNED"]', "not the settings of a run"),
        ("${oc.env:HOME}", "it refers to other values"),
        ("${oc.create:{a:1}}", "it refers to other values"),
    ],
)
def test_a_value_that_would_be_computed_is_refused(value, words, results, call):
    edit(results, "root: null", f"root: {value}")
    code, out, _ = call("probe", NAME)
    assert code == 4 and words in out and not Path("PWNED").exists() and str(Path.home()) not in out


class Pwned:
    """Makes the folder PWNED where it is unpickled without restrictions."""

    def __reduce__(self):
        return os.mkdir, ("PWNED",)


def test_weights_and_predictions_are_not_unpickled(results, call):
    for folder in results.glob("runs/*"):
        torch.save({"layer": Pwned()}, folder / "model.pt")
        np.savez(folder / "predictions.npz", test_rows=np.array([Pwned()], dtype=object))
        with pytest.raises(DamagedRunError):
            row_scores("results", folder.name, 1.0)
    assert call("probe", NAME)[0] == 4 and call("report", NAME, "--verify")[0] == 4
    assert not Path("PWNED").exists()


def test_the_state_of_a_stopped_stack_is_not_unpickled(results, call, monkeypatch):
    """The members and their folder are right, so that the state is read."""
    from lsbench.store import checkpoints

    run_ids = [path.name for path in sorted(results.glob("runs/*"))]
    shutil.rmtree(results / "runs")
    checkpoints.save_stacks("results", [checkpoints.SavedStack(tuple(run_ids), 1)])
    torch.save({"position": Pwned()}, checkpoints.stack_dir("results", run_ids) / "state.pt")
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    code, _, err = call("train", "-m", "alpha=0,0.1", *SMALL)
    assert code == 0 and "the stack starts again from step 0" in err and not Path("PWNED").exists()


@pytest.mark.parametrize("run", ["..", "../../elsewhere", "/elsewhere", ".hidden", "", "a/b", 3, None])
@pytest.mark.parametrize("command", ["report", "probe"])
def test_a_list_of_runs_with_a_path_is_damaged(run, command, results, call):
    path = results / NAME / "sweep.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"runs": [*content["runs"], run]}))
    code, out, err = call(command, NAME)
    assert (code, out) == (4, "") and "sweep.json: cannot be read" in complaint(err)


@pytest.mark.parametrize("change", [{"runs": {}}, {"claims": []}, {"claims": {"cost": "a"}}, {"command": 3}])
def test_a_list_of_runs_of_other_types_is_damaged(change, results, call):
    path = results / NAME / "sweep.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    code, out, err = call("report", NAME)
    assert (code, out) == (4, "") and "sweep.json: cannot be read" in complaint(err)


@pytest.mark.parametrize("name", ["../results/" + NAME, "runs/../" + NAME, "..", "."])
def test_the_name_of_a_sweep_is_not_a_path(name, results, call):
    code, out, _ = call("report", name)
    assert (code, out) == (2, "")


def test_the_name_of_a_sweep_is_that_of_its_folder(results, call):
    """A report notes in sweep.json that it was written, and not where that file says."""
    path = results / NAME / "sweep.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "../elsewhere", "looks": []}))
    assert call("report", NAME)[0] == 0 and not Path("elsewhere").exists()
    assert json.loads(path.read_text())["name"] == NAME


@pytest.mark.parametrize("content", ["", "a,b\n1\n2,3\n4,5,6\n", "plain,smoothed\n1,x\n", "\0", '"'])
def test_a_measured_table_that_is_not_of_numbers_is_damaged(content, tmp_path):
    assert read_measured(tmp_path, "cost") is None
    measured_file(tmp_path, "cost").write_text(content)
    with pytest.raises(StorageError, match=r"(?s)measured-cost.*cannot be read .* lsbench claims cost"):
        read_measured(tmp_path, "cost")


PROTOCOL = {
    "questions": ["test_nll"], "looks": [4, 8], "levels": [0.01, 0.04], "fixed_pairs": 8, "alpha": 0.1,
    "cells": ["c1", "c2"], "seconds": 0.0, "changed": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"looks": ["4", "8"]}, {"levels": "ab"}, {"questions": [3]}, {"cells": [[], []]}, {"changed": "a"}],
)
def test_a_protocol_of_other_types_is_damaged(change, tmp_path):
    (tmp_path / "decide.json").write_text(json.dumps(PROTOCOL))
    assert read_protocol(tmp_path).looks == (4, 8)
    (tmp_path / "decide.json").write_text(json.dumps(PROTOCOL | change))
    with pytest.raises(StorageError, match=r"decide\.json: cannot be read"):
        read_protocol(tmp_path)


def test_control_characters_of_stored_text_do_not_reach_the_terminal(results, call):
    path = results / NAME / "sweep.json"
    command = "lsbench train -m seed=0 \x1b]0;me\x07"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": command}))
    [path] = results.glob("runs/*-a0-*/result.json")
    failed = {"status": "failed", "error": "\x1b[2Jcleared\r\nthen"}
    path.write_text(json.dumps(json.loads(path.read_text()) | failed))
    code, out, _ = call("report", NAME)
    assert code == 1 and r"failed: \x1b[2Jcleared then" in out and r"next: lsbench train" in out
    assert all(char.isprintable() or char == "\n" for char in out)
