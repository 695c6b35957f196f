import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from lsbench import probes
from lsbench.errors import DataError, StorageError, UsageError
from lsbench.probes import all_probes, find_probe, load_trained_model, run_probe
from lsbench.store import runs
from lsbench.terms import Outcome
from lsbench.training import trained_model

from ..records import without_checksums

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_a_stored_model_gives_the_stored_predictions(model, precision, store, tmp_path):
    """BatchNorm statistics, split and normalisation are the run's, with any methods."""
    run_id = store(
        model, epochs=2, precision=precision, seed=3, alpha=0.1, dropout=0.3, augment=1.0, label_noise=0.2
    )
    trained = load_trained_model(tmp_path, run_id, CPU)
    stored = np.load(runs.run_dir(tmp_path, run_id) / "predictions.npz")
    for split in ("test", "calibrate"):
        rows = trained.data.rows[split][0]
        pixels = trained.data.images_at(rows[None])[0].to(trained.dtype) / 255
        logits = trained.forward(pixels)
        assert logits.dtype == (torch.float32 if precision == "fp32" else torch.float64)
        assert np.array_equal(trained.data.labels[rows].numpy(), stored[f"{split}_labels"])
        assert np.abs(stored[f"{split}_logits"]).max() > 0.1
        assert np.allclose(logits.numpy(), stored[f"{split}_logits"], rtol=1e-5, atol=1e-5)


def test_a_sample_is_the_split_or_a_stratified_part_drawn_from_the_seed(store, tmp_path):
    ids = [store(alpha=alpha, seed=seed) for alpha, seed in ((0.0, 1), (0.2, 1), (0.0, 2))]
    plain, smoothed, other_seed = (load_trained_model(tmp_path, run_id, CPU) for run_id in ids)
    pixels, labels = plain.sample("test", 100)
    assert pixels.shape == (14, 1, 12, 12) and pixels.dtype == torch.float64
    assert pixels.min() >= 0 and 0.2 < pixels.max() <= 1
    assert torch.equal(labels, plain.data.labels[plain.data.rows["test"][0]])
    part, its_labels = plain.sample("train", 30)
    assert torch.equal(part, smoothed.sample("train", 30)[0])
    assert not torch.equal(part, other_seed.sample("train", 30)[0])
    assert torch.bincount(its_labels).tolist() == [10, 10, 10]


def test_a_probe_is_computed_once(store, tmp_path, monkeypatch):
    run_id = store()
    first = {name: run_probe(tmp_path, run_id, name) for name in all_probes()}
    monkeypatch.setattr(probes, "load_trained_model", lambda *arguments: pytest.fail("computed again"))
    assert first == {name: run_probe(tmp_path, run_id, name) for name in all_probes()}
    assert all(tuple(values) == all_probes()[name].columns for name, values in first.items())
    names = {path.name for path in (runs.run_dir(tmp_path, run_id) / "probes").iterdir()}
    assert names == {f"{name}.json" for name in all_probes()}


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b'{"ver',
        b"[]",
        b"3",
        b'{"version": 1, "values": {}}',
        b'{"version": 1, "values": 3}',
        b'{"version": 0}',
    ],
)
def test_results_of_another_version_or_damaged_are_computed_again(change, store, tmp_path):
    run_id = store()
    values = run_probe(tmp_path, run_id, "fgsm")
    path = runs.run_dir(tmp_path, run_id) / "probes" / "fgsm.json"
    whole = path.read_bytes()
    path.write_bytes(change)
    assert run_probe(tmp_path, run_id, "fgsm") == values
    assert path.read_bytes() == whole


def test_a_newer_version_of_a_probe_replaces_stored_results(store, tmp_path, monkeypatch):
    run_id = store()
    old = run_probe(tmp_path, run_id, "fgsm")
    newer = replace(find_probe("fgsm"), measure=lambda trained: dict.fromkeys(old, 0.5), version=2)
    monkeypatch.setitem(all_probes(), "fgsm", newer)
    assert set(run_probe(tmp_path, run_id, "fgsm").values()) == {0.5}


def test_undefined_values_are_stored_as_null(store, tmp_path, monkeypatch):
    undefined = replace(
        find_probe("fgsm"), measure=lambda trained: dict.fromkeys(find_probe("fgsm").columns, np.inf)
    )
    run_id = store()
    monkeypatch.setitem(all_probes(), "fgsm", undefined)
    for _ in range(2):
        assert np.isnan(list(run_probe(tmp_path, run_id, "fgsm").values())).all()
    content = json.loads((runs.run_dir(tmp_path, run_id) / "probes" / "fgsm.json").read_text())
    assert set(content["values"].values()) == {None}


def test_concurrent_threads_get_the_same_result(store, tmp_path):
    run_id = store()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: run_probe(tmp_path, run_id, "pgd"), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert [path.name for path in (runs.run_dir(tmp_path, run_id) / "probes").iterdir()] == ["pgd.json"]


def test_torchs_generator_is_not_changed(store, tmp_path):
    run_id = store()
    before = torch.get_rng_state()
    run_probe(tmp_path, run_id, "pgd")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off", b"not a zip"])
def test_missing_or_damaged_weights_are_a_storage_error(content, store, tmp_path):
    run_id = store()
    path = without_checksums(runs.run_dir(tmp_path, run_id)) / "model.pt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"model\.pt: .*train") as caught:
        run_probe(tmp_path, run_id, "fgsm")
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_a_storage_error(store, tmp_path):
    run_id = store(epochs=1)
    folder = without_checksums(runs.run_dir(tmp_path, run_id))
    torch.save({"layers.1.weight": torch.ones(3, 144)}, folder / "model.pt")
    with pytest.raises(StorageError, match="does not fit model=mlp"):
        run_probe(tmp_path, run_id, "fgsm")


def test_runs_that_are_not_stored_or_not_done_are_a_storage_error(make_run, splits, tmp_path):
    with pytest.raises(StorageError, match="no such run"):
        run_probe(tmp_path, "mnist5k-mlp-none-a0-s0-12345678", "fgsm")
    diverged = Outcome("diverged", {}, error="at step 3")
    run_id = runs.write(tmp_path, make_run(), splits.sha256, diverged, "cpu")["run"]
    with pytest.raises(StorageError, match="diverged, so it has no weights"):
        run_probe(tmp_path, run_id, "fgsm")


@pytest.mark.parametrize("content", ["alpha: 2", "alpha: [", "what: 1", "data: 3", "[1]", "a", ""])
def test_damaged_settings_are_a_storage_error(content, store, tmp_path):
    run_id = store()
    (without_checksums(runs.run_dir(tmp_path, run_id)) / "config.yaml").write_text(content)
    with pytest.raises(StorageError, match=r"config\.yaml"):
        run_probe(tmp_path, run_id, "fgsm")


def test_other_data_than_those_of_the_run_are_a_data_error(store, splits, tmp_path, monkeypatch):
    run_id = store()
    changed = replace(splits, train_images=splits.train_images + np.uint8(1))
    monkeypatch.setattr(trained_model, "load", lambda config: changed)
    with pytest.raises(DataError, match="other data"):
        run_probe(tmp_path, run_id, "fgsm")


def test_the_runs_of_a_sweep_load_their_data_once(store, splits, tmp_path, monkeypatch):
    reads = []
    ids = [store(seed=seed) for seed in range(3)]
    monkeypatch.setattr(trained_model, "load", lambda config: (reads.append(config), splits)[1])
    for run_id in ids:
        run_probe(tmp_path, run_id, "geometry")
    assert len(reads) == 1


def test_an_unknown_probe_is_a_usage_error():
    with pytest.raises(UsageError, match="pdg: no such probe; did you mean pgd"):
        find_probe("pdg")
