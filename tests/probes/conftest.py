"""Runs trained on the small data and stored, for probes."""

import pytest
import torch

from lsbench import registry
from lsbench.store import runs
from lsbench.training import evaluate, trained_model
from lsbench.training.device import threads
from lsbench.training.loop import train
from lsbench.training.stack import Stack


@pytest.fixture
def store(tmp_path, make_run, splits, monkeypatch):
    """A function that trains and stores a run and returns its name; every config.yaml loads `splits`, which a
    folder of --config-dir names."""
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "tiny.yaml").write_text("name: tiny\n_target_: tests.tiny\n")
    monkeypatch.setenv(registry.CONFIG_DIRS, str(tmp_path / "conf"))
    monkeypatch.setattr(trained_model, "load", lambda config: splits)
    trained_model.LATEST_DATA.clear()

    def stored(name: str = "mlp", **settings: object) -> str:
        run = make_run(name, **settings)
        [outcome] = evaluate.evaluate(train(Stack([run], splits, torch.device("cpu"))))
        return runs.write(tmp_path, run, splits.sha256, outcome, "cpu")["run"]

    with threads(1):  # with networks this small, two threads wait for each other
        yield stored
    trained_model.LATEST_DATA.clear()
