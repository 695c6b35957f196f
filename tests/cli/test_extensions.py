"""Python files that `--config-dir DIR` adds: DIR/lsbench/methods/NAME.py and so on."""

import json
import subprocess
import sys
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
def extensions(tmp_path):
    """A folder with an extension of each kind."""
    for name, text in FILES.items():
        path = tmp_path / "extensions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "extensions"


@pytest.mark.slow
def test_one_flag_brings_each_kind_of_extension(extensions, shell, tmp_path):
    """A claim about a method, on a data set and a model, with a metric and a probe, all from outside."""
    grid = ("louder", "seed=0,1", "data=stripes", "model=linear", "epochs=1")
    done = shell("claims", "--config-dir", "extensions", *grid, "name=loud")
    assert done.returncode == 0 and done.stdout.startswith("louder"), done.stderr
    folder = tmp_path / "results" / "loud"
    table = pd.read_csv(folder / "runs.csv")
    assert set(table["data"]) == {"stripes"} and set(table["model"]) == {"linear"}
    assert set(table["loudness"]) == {1} and set(table["method"]) == {"shout"}
    assert table["test_first_class"].between(0, 1).all()
    assert list(json.loads((folder / "sweep.json").read_text())["claims"]) == ["louder"]
    done = shell("report", "loud")
    assert (done.returncode, done.stdout) == (2, "") and "no claim louder" in done.stderr
    assert "--config-dir DIR" in done.stderr
    done = shell("probe", "loud", "norm", "--config-dir", "extensions")
    assert done.returncode == 0 and "norm: of the first weights." in done.stdout, done.stderr


def test_processes_that_are_started_have_the_extensions_too(extensions):
    code = (
        "import subprocess, sys; from lsbench import registry; registry.add_extensions(sys.argv[1]); "
        "subprocess.run([sys.executable, '-c', 'import lsbench.metrics.first_class'], check=True)"
    )
    subprocess.run([sys.executable, "-c", code, str(extensions)], check=True)


def test_a_folder_with_an_lsbench_of_its_own_brings_only_yaml(extensions, shell):
    Path(extensions, "lsbench", "__init__.py").write_text("raise AssertionError")
    done = shell("train", "--config-dir", "extensions", "method=shout", *TINY)
    assert done.returncode == 2 and "loudness" in done.stderr, done.stderr
