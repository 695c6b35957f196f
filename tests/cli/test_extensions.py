"""`--config-dir DIR` adds Python files too: DIR/lsbench/methods/NAME.py and so on."""

import json
from pathlib import Path

import pandas as pd
import pytest

TINY = ("model.hidden=[4]", "epochs=1")
FILES = {
    "lsbench/methods/shout.py": '''
"""The loss, louder."""
from lsbench.terms import Method

def loss(losses, logits, target, strength):
    return losses * (1 + strength[:, None])

METHOD = Method(knob="loudness", loss=loss)
''',
    "method/shout.yaml": """
# @package _global_
method:
  name: shout
  knobs:
    loudness: 1.0
""",
    "lsbench/metrics/first_class.py": '''
"""Share of rows that are predicted as the first class."""

def compute(probs, labels):
    return (probs.argmax(-1) == 0).double().mean(-1)
''',
    "lsbench/models/linear.py": '''
"""One layer."""
from torch import nn

class Linear(nn.Sequential):
    def __init__(self, shape, classes):
        super().__init__(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))
''',
    "model/linear.yaml": "name: linear\n_target_: lsbench.models.linear.Linear\n",
    "lsbench/data/stripes.py": '''
"""Bright or dark images."""
import numpy as np
from lsbench.terms import Splits

def load(root):
    labels = np.arange(60) % 2
    images = np.broadcast_to(200 * labels[:, None, None, None], (60, 1, 4, 4))
    return Splits(images.astype(np.uint8), labels, None, None, ("dark", "bright"))
''',
    "data/stripes.yaml": """
name: stripes
_target_: lsbench.data.stripes.load
train: null
select: 10
calibrate: 10
test: 10
shift: 0
flip: false
options: {}
""",
    "lsbench/probes/norm.py": '''
"""The norm of the first weights."""
from lsbench.probes import Probe

def measure(model):
    return {"norm": float(next(model.network.parameters()).norm())}

PROBE = Probe(("norm",), measure, shown=("norm",), note="norm: of the first weights.")
''',
    "lsbench/claims/louder.py": '''
"""Does shouting help?"""
from lsbench.analysis.evidence import comparison
from lsbench.claims import Claim

def compare(evidence):
    return [comparison("test accuracy", evidence.where(), "test_accuracy", 0.002)]

CLAIM = Claim("shouting helps", "nobody", "test accuracy", compare)
''',
    "experiment/claims/louder.yaml": """
# @package _global_
name: louder-${data.name}-${model.name}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      alpha: 0,0.1
      method: shout
      seed: range(10)
""",
}


@pytest.fixture
def mine(tmp_path):
    """A folder with an extension of each kind."""
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "mine"


def test_one_flag_brings_each_kind_of_extension_into_every_process(mine, shell, tmp_path):
    """Methods, models, metrics, data sets and probes; a report needs no flag, since nothing is computed."""
    grid = ("-m", "method=none,shout", "model=linear", "seed=0,1", "epochs=2", "executor=pool")
    done = shell("train", "--config-dir", "mine", *grid, "data=stripes,mnist5k", "name=loud")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "loud"
    table = pd.read_csv(folder / "runs.csv")
    assert set(table["data"]) == {"stripes", "mnist5k"} and set(table["model"]) == {"linear"}
    assert set(table["loudness"]) == {0, 1} and set(table["method"]) == {"none", "shout"}
    assert table["test_first_class"].between(0, 1).all()
    before = (folder / "summary.csv").read_bytes()
    done = shell("report", "loud")
    assert done.returncode == 0 and (folder / "summary.csv").read_bytes() == before, done.stderr
    done = shell("probe", "loud", "norm", "--config-dir", "mine")
    assert done.returncode == 0 and "norm: of the first weights." in done.stdout, done.stderr


def test_processes_of_other_launchers_have_the_extensions_too(mine, shell):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    done = shell(
        "train", "-m", "-cd", "mine", "hydra/launcher=joblib", "method=none,shout", "data=stripes", *TINY
    )
    assert done.returncode == 0 and "2 of 2 runs done" in done.stdout, done.stderr


def test_a_claim_from_outside_is_decided_and_needs_the_flag_for_its_report(mine, shell, tmp_path):
    done = shell("claims", "--config-dir", "mine", "louder", "seed=0,1", "data=stripes", *TINY)
    assert done.returncode == 0 and done.stdout.startswith("louder"), done.stderr
    [name] = [path.name for path in (tmp_path / "results").glob("claims-*")]
    assert list(json.loads((tmp_path / "results" / name / "sweep.json").read_text())["claims"]) == ["louder"]
    done = shell("report", name)
    assert (done.returncode, done.stdout) == (2, "") and "no claim louder" in done.stderr
    assert "--config-dir DIR" in done.stderr
    assert shell("report", name, "--config-dir", "mine").returncode == 0


def test_a_folder_with_an_lsbench_of_its_own_brings_only_yaml(mine, shell):
    Path(mine, "lsbench", "__init__.py").write_text("raise AssertionError")
    done = shell("train", "--config-dir", "mine", "method=shout", *TINY)
    assert done.returncode == 2 and "loudness" in done.stderr, done.stderr
