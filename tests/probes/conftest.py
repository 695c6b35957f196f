"""Runs that are trained on the small data and stored, as a probe finds them."""

import pytest
import torch

from lsbench.store import runs
from lsbench.training import evaluate, trained_model
from lsbench.training.loop import train
from lsbench.training.stack import Stack


@pytest.fixture
def store(tmp_path, make_run, splits, monkeypatch):
    """Trains and stores a run; its name. The data come from `splits` wherever a config.yaml says."""
    monkeypatch.setattr(trained_model, "load", lambda config: splits)
    trained_model.LATEST_DATA.clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are so small that two wait for one another

    def stored(name: str = "mlp", **settings: object) -> str:
        run = make_run(name, **settings)
        [outcome] = evaluate.evaluate(train(Stack([run], splits, torch.device("cpu"))))
        return runs.write(tmp_path, run, splits.sha256, outcome, "cpu")["run"]

    yield stored
    torch.set_num_threads(threads)
    trained_model.LATEST_DATA.clear()
