"""Tiny data to train on, and functions that call lsbench."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

# Before torch is imported, here and in what the tests start: threads gain nothing on data this small, and
# wait for each other where something else runs. Tests of threads set their number.
os.environ["OMP_NUM_THREADS"] = "1"
# Likewise before Triton is: without a GPU its kernels run in its interpreter.
if not Path("/dev/nvidiactl").exists() or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
    os.environ["TRITON_INTERPRET"] = "1"

from lsbench.cli import main
from lsbench.config import DataConfig, Run
from lsbench.terms import Splits

from .records import make_record, make_sweep, store_traces

if TYPE_CHECKING:
    from lsbench.report.figures.spec import FigureSpec

MODELS = {
    "mlp": {"name": "mlp", "_target_": "lsbench.models.mlp.MLP", "hidden": [16]},
    "resnet8": {"name": "resnet8", "_target_": "lsbench.models.resnet.ResNet", "depth": 8, "width": 4},
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """Hide the user's settings, caches and results from every test."""
    for name in ("HYDRA_FULL_ERROR", "LSBENCH_DATA", "LSBENCH_OFFLINE", "COMP_LINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def tab():
    """A tab of a real browser, one for all tests that want it."""
    from .report.chromium import browser

    with browser() as tab:
        yield tab


@pytest.fixture
def splits() -> Splits:
    """120 noisy 1x12x12 images of 3 classes that differ in brightness; without a test set."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = random.integers(0, 64, (120, 1, 12, 12)) + 60 * labels[:, None, None, None]
    return Splits(images.astype(np.uint8), labels.astype(np.int64), None, None, ("a", "b", "c"))


@pytest.fixture
def make_run():
    """A run on `splits`: float64, three epochs of five batches, the last of them short."""

    def make(model: str = "mlp", **settings: object) -> Run:
        data = DataConfig("tiny", "tests.tiny", select=20, calibrate=20, test=14, shift=2, flip=True)
        defaults = {"data": data, "model": MODELS[model], "precision": "fp64", "epochs": 3, "batch_size": 15}
        return Run(**(defaults | settings))

    return make


@pytest.fixture
def record():
    """Make one finished run, as `records.make_record` does."""
    return make_record


@pytest.fixture
def sweep():
    """Make the runs of a sweep, as `records.make_sweep` does."""
    return make_sweep


@pytest.fixture
def traces():
    """Store what runs leave beside their records, as `records.store_traces` does."""
    return store_traces


@pytest.fixture(autouse=True)
def columns(monkeypatch):
    """Give the terminal a width, which under xdist is that of the worker's."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run the test in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys, here):
    """Call `lsbench ARGUMENTS` in this process, in an empty folder: (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def sketched(monkeypatch):
    """Replace drawing: a figure's files hold only the hash of its content."""
    from lsbench.report.figures import draw

    def sketch(spec: "FigureSpec", source: str) -> draw.Drawing:
        file, element = source.encode(), "<svg></svg>"
        return draw.Drawing(file, file, (element,) * len(spec.panels), (element,) * len(spec.legend))

    monkeypatch.setattr(draw, "draw", sketch)


@pytest.fixture
def shell(tmp_path):
    """Call `lsbench ARGUMENTS` in a separate process, in an empty folder."""

    def call(*arguments: str, cwd: Path = tmp_path, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lsbench", *arguments]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | env
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    return call
