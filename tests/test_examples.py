"""tests/examples/, used as a user's own folder is: `lsbench train --config-dir tests/examples`."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).parent / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.suffix in (".py", ".yaml"))


def load(path: str):
    """The module in a file of the examples, outside any package."""
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SWEEP = (
    "data=stripes model=small_cnn method=logit_penalty method.knobs.logit_penalty=0,1 data.options.noise=50 "
    "epochs=2 batch_size=32 device=cpu executor=stack name=examples"
).split()


@pytest.fixture
def trained(shell, tmp_path):
    """The rows of a sweep trained with all four examples, and the runs' folders by strength of the method."""
    ran = shell("train", "-m", "--config-dir", str(EXAMPLES), *SWEEP)
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "results/examples/runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    return rows, {float(row["logit_penalty"]): tmp_path / "results/runs" / row["run"] for row in rows}


def test_a_folder_brings_data_model_method_and_metric_to_the_command_line(trained):
    rows, folders = trained
    assert [(row["data"], row["model"]) for row in rows] == [("stripes", "small_cnn")] * 2
    assert sorted(row["method"] for row in rows) == ["logit_penalty", "none"]
    norms = {}
    for strength, folder in folders.items():
        record = json.loads((folder / "result.json").read_text())
        with np.load(folder / "predictions.npz") as stored:
            logits, labels = stored["test_logits"].astype(float), stored["test_labels"]
        assert logits.shape == (200, 4)
        assert record["test_aurc"] == pytest.approx(area(logits, labels), rel=1e-9)
        norms[strength] = (logits**2).sum(1).mean()
    assert norms[1.0] < norms[0.0] / 2


def area(logits, labels):
    """The area under the risk-coverage curve, point by point."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    confidence = odds.max(1) / odds.sum(1)
    wrong = logits.argmax(1) != labels
    most_confident_first = sorted(range(len(labels)), key=lambda row: -confidence[row])
    risks = [wrong[most_confident_first[:count]].mean() for count in range(1, len(labels) + 1)]
    return np.mean(risks)


def test_the_logit_penalty_is_its_closed_form_and_nothing_when_it_is_off():
    penalty = load("lsbench/methods/logit_penalty.py").METHOD.penalty
    logits = torch.tensor([[[3.0, -4.0]], [[1.0, 2.0]]], dtype=torch.float64, requires_grad=True)
    values = penalty(logits, torch.tensor([0.1, 0.0]))
    assert values.tolist() == [[pytest.approx(2.5)], [0.0]]
    [gradient] = torch.autograd.grad(values.sum(), logits)
    torch.testing.assert_close(gradient[0], torch.tensor([[0.6, -0.8]], dtype=torch.float64))


def test_the_stripes_are_the_same_each_time_and_of_every_direction():
    source = load("lsbench/data/stripes.py")
    splits = source.load(None)
    assert splits.sha256 == source.load(None).sha256
    assert np.bincount(splits.train_labels).tolist() == [300] * 4
    clean = source.load(None, noise=0.0).train_images[:, 0].astype(float)
    across = [np.abs(np.diff(clean[splits.train_labels == label], axis=2)).mean() for label in (0, 2)]
    assert across[0] > 20 and across[1] < 1e-9  # 0 degrees varies along a row of pixels, 90 degrees does not


def test_the_examples_are_short():
    lines = {path.relative_to(EXAMPLES).as_posix(): len(path.read_text().splitlines()) for path in FILES}
    assert len(lines) == 7 and max(lines.values()) <= 40
