import numpy as np
import pytest
import torch
from scipy.special import softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from lsbench.calibration import reliability
from lsbench.calibration.temperature import Temperature


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(5, (2, 300), generator=generator)
    logits = torch.randn(2, 300, 5, generator=generator, dtype=torch.float64)
    return logits + 2.0 * torch.nn.functional.one_hot(labels, 5), labels


def test_each_bin_holds_what_a_loop_counts(data):
    logits, labels = data
    temperature = Temperature(torch.tensor([0.5, 2.0], dtype=torch.float64), ["", ""])
    tables = reliability.tables(logits, labels, temperature)
    for member, rows in enumerate(tables):
        assert [tuple(row) for row in rows] == [reliability.COLUMNS] * 15
        for suffix, scale in (("", 1.0), ("_ts", temperature.value[member].item())):
            probs = softmax(logits[member].numpy() / scale, axis=1)
            confidence, right = probs.max(1), probs.argmax(1) == labels[member].numpy()
            for index, row in enumerate(rows):
                inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
                assert row[f"n{suffix}"] == inside.sum()
                assert row[f"confidence{suffix}"] == pytest.approx(confidence[inside].sum())
                assert row[f"correct{suffix}"] == right[inside].sum()
                assert (row["lower"], row["upper"]) == pytest.approx((index / 15, (index + 1) / 15))


def test_the_ece_can_be_read_off_the_bins(data):
    logits, labels = data
    unscaled = Temperature(torch.ones(2, dtype=torch.float64), ["", ""])
    for member, rows in enumerate(reliability.tables(logits, labels, unscaled)):
        ece = sum(abs(row["confidence"] - row["correct"]) for row in rows) / 300
        expected = multiclass_calibration_error(logits[member].softmax(-1), labels[member], 5, n_bins=15)
        assert ece == pytest.approx(expected.item(), abs=1e-6)


def test_counts_are_whole_numbers_and_labels_may_be_shared(data):
    logits, labels = data
    unscaled = Temperature(torch.ones(2, dtype=torch.float64), ["", ""])
    rows = reliability.tables(logits, labels[0], unscaled)[0]
    assert {type(row["n"]) for row in rows} == {type(row["correct_ts"]) for row in rows} == {int}
    assert np.sum([row["n"] for row in rows]) == np.sum([row["n_ts"] for row in rows]) == 300
