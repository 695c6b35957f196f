"""Records as the run store hands them over, with seeded numbers that look like a small MNIST sweep."""

import json
import zlib
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from lsbench.analysis.results import SweepResults
from lsbench.store.sweeps import Sweep
from lsbench.terms import COLUMNS

Record = dict[str, Any]
METHODS = {"none": {}, "dropout": {"dropout": 0.5}, "augment": {"augment": 1.0}}
GAIN = {"none": 0.0, "dropout": 0.005, "augment": 0.008}
METRICS = [name for name in COLUMNS if name.startswith(("test_", "select_", "train_"))]
METRICS += ["temperature", "select_nll_ts", "test_confidence_wrong", "test_ece_floor", "test_ece_floor_ts"]
NO_SETTINGS = [
    *("run", "status", "seed", "n_train", "n_test", "finished", "error", "temperature_flag", "diverged_step"),
    "git_sha",
]


def make_record(method: str = "none", alpha: float = 0.0, seed: int = 0, **settings: Any) -> Record:
    """One finished run; ``settings`` replace its values. Runs that differ in the seed share a cell."""
    record: Record = dict.fromkeys(COLUMNS) | {
        "status": "done", "data": "mnist5k", "model": "mlp", "method": method, "convention": "uniform",
        "alpha": alpha, "dropout": 0.0, "augment": 0.0, "weight_decay": 0.0, "label_noise": 0.0, "lr": 0.1,
        "epochs": 20, "batch_size": 128, "seed": seed, "n_train": 3000, "n_test": 1000, "device": "cpu",
        "precision": "fp32", "stack_size": 75, "data_sha256": "3f1c" * 16, "lsbench": "0.1.0",
        "git_sha": "9d07093b0c1e4f5a8b7c6d5e4f3a2b1c0d9e8f7a", "torch": "2.11.0", "error": "",
        "finished": f"2026-05-04T10:{seed:02d}:00+00:00", "temperature_flag": "", "diverged_step": None,
        "test_confidence_wrong": None, "test_ece_floor": None, "test_ece_floor_ts": None,
    }  # fmt: skip
    record |= _metrics(method, alpha, seed) | METHODS.get(method, {}) | settings
    if "select_nll" in settings:  # whoever sets one says which is chosen
        record["select_nll_ts"] = settings.get("select_nll_ts", record["select_nll"])
    record["method"] = label_of(record)
    settings_values = {
        name: record[name] for name in record if name not in METRICS and name not in NO_SETTINGS
    }
    record["cell"] = f"{hash_of(sorted(settings_values.items())):08x}"
    record["run"] = f"{record['data']}-{record['model']}-{method}-a{alpha:g}-s{seed}-{record['cell']}"
    if record["status"] != "done":
        record |= dict.fromkeys(METRICS)
    return record


def label_of(record: Record) -> str:
    """The name that `config.Run.method_name` gives: all regularisers that are on."""
    on = {name for name in ("dropout", "augment", "weight_decay") if record[name]}
    knob_of_its_method = (
        set() if record["method"] in ("none", "dropout", "augment", "weight_decay") else {record["method"]}
    )
    return "+".join(sorted(on | knob_of_its_method)) or "none"


def hash_of(identity: object) -> int:
    return zlib.crc32(repr(identity).encode())


def _metrics(method: str, alpha: float, seed: int) -> dict[str, float]:
    shared, single = np.random.default_rng(seed), np.random.default_rng([seed, hash_of((method, alpha))])
    split = shared.normal(0, 0.003)

    def noise(size: float) -> float:
        return float(single.normal(0, size))

    gain = GAIN.get(method, 0.0)
    accuracy = round(0.945 + gain + 0.04 * alpha - 0.12 * alpha**2 + split + noise(0.0015), 3)
    gap = 0.02 - 0.75 * alpha - gain + noise(0.002)
    ece = abs(gap) + 0.006 + abs(noise(0.001))
    nll = 0.19 + 0.9 * alpha - 4 * gain + noise(0.005) - 1.2 * min(alpha, 0.05)
    return {
        "train_accuracy": 1 - abs(noise(0.001)), "test_accuracy": accuracy, "test_nll": nll,
        "test_brier": 0.08 + noise(0.002), "test_ece": ece, "test_ece_mass": ece + 0.001,
        "test_ece_classwise": 0.006 + noise(0.0005), "test_mce": 0.2 + noise(0.02),
        "test_confidence_gap": gap, "temperature": 1.3 - 4 * alpha + noise(0.02),
        "test_nll_ts": 0.172 + 0.15 * alpha + noise(0.004), "test_brier_ts": 0.079 + noise(0.002),
        "test_ece_ts": 0.011 + 0.01 * alpha + abs(noise(0.002)), "select_accuracy": accuracy + noise(0.006),
        "select_nll": nll + noise(0.01), "train_seconds": 0.41 + noise(0.01),
        "select_nll_ts": 0.9 * nll + noise(0.01),
    }  # fmt: skip


def make_sweep(
    alphas: Iterable[float] = (0.0, 0.05, 0.1, 0.15, 0.2),
    methods: Iterable[str] = tuple(METHODS),
    seeds: Iterable[int] = range(5),
    **settings: Any,
) -> list[Record]:
    return [make_record(*point, **settings) for point in product(methods, alphas, seeds)]


def make_results(
    records: Iterable[Record],
    folder: Path = Path("nowhere/mine"),
    command: str = "lsbench compare",
    missing: Iterable[str] = (),
) -> SweepResults:
    """``records`` as a sweep that was loaded, whose report is in ``folder``."""
    return SweepResults(Sweep(folder.name, command, ()), folder, list(records), list(missing))


def store_traces(results_dir: Path, records: Iterable[Record]) -> None:
    """For each finished run of ``records`` the files that the store has beside its record, but for weights:
    five epochs of history, and 400 test predictions of 10 classes with their bins."""
    for record in records:
        if record["status"] != "done":
            continue
        folder = results_dir / "runs" / record["run"]
        folder.mkdir(parents=True)
        history = [
            [epoch, 1 / epoch, record["select_nll"] + 1 / epoch, record["select_accuracy"] - 0.1 / epoch]
            for epoch in range(1, 6)
        ]
        write_csv(folder / "history.csv", ["epoch", "train_loss", "select_nll", "select_accuracy"], history)
        random = np.random.default_rng(hash_of(record["run"]))
        labels = random.integers(10, size=400)
        logits = random.normal(0, 2 - 4 * record["alpha"], (400, 10)).astype(np.float32)
        logits[np.arange(400), labels] += 4
        np.savez(folder / "predictions.npz", test_logits=logits, test_labels=labels)
        sides = [binned(logits / scale, labels) for scale in (1, record["temperature"])]
        edges = np.arange(16) / 15
        names = [f"{name}{side}" for side in ("", "_ts") for name in ("n", "confidence", "correct")]
        rows = np.column_stack([edges[:-1], edges[1:], *sides[0], *sides[1]]).tolist()
        write_csv(folder / "reliability.csv", ["lower", "upper", *names], rows)


def without_checksums(folder: Path) -> Path:
    """The folder of a run, whose record has lost its checksums: as lsbench 0.2 stored it."""
    record = json.loads((folder / "result.json").read_text())
    assert record.pop("sha256")
    (folder / "result.json").write_text(json.dumps(record))
    return folder


def binned(logits: "np.ndarray", labels: "np.ndarray") -> list["np.ndarray"]:
    """Number, summed confidence and number correct in 15 bins (l, u], by SciPy and NumPy's histogram."""
    probs = softmax(logits.astype(float), axis=1)
    confidence, correct = probs.max(1), probs.argmax(1) == labels
    edges = -np.arange(16)[::-1] / 15  # negated, since NumPy's bins are [l, u)
    return [
        np.histogram(-confidence, edges, weights=weights)[0][::-1]
        for weights in (np.ones_like(confidence), confidence, correct.astype(float))
    ]


def write_csv(path: Path, header: list[str], rows: list[list[float]]) -> None:
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in [header, *rows]))
