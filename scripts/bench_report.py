"""Measure time and memory of `lsbench report` on a large sweep and write results/benchmarks/report.*

    python scripts/bench_report.py                  # 1,000 runs, some minutes
    python scripts/bench_report.py --quick          # a short trial, whose figures mean nothing

The runs are synthetic, but have all their files: a record, a history of 20 epochs, the logits of ROWS test
images of 10 classes, and their bins. Fewer SEEDS make more settings. Measured are seconds and peak memory of
a first report and of a second one, for which all figures exist, in turns, and the sizes of the files.
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from bench_common import Cost, Row, now, parser, spread, write

from lsbench import metrics
from lsbench.calibration import reliability
from lsbench.calibration.ece_floor import ece_floor
from lsbench.calibration.temperature import Temperature, rescale
from lsbench.store import runs, sweeps
from lsbench.terms import COLUMNS

NAME = "sweep-mnist5k-mlp"
GOALS = (20, 500)  # seconds and MB that a report of 1,000 runs may take
METHODS = ("augment", "dropout", "weight_decay")
# Not from getrusage: it includes the fork of this process that then became Python.
REPORT = """
import re, sys
from lsbench.cli import main
code = main(sys.argv[1:])
print(*re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()), file=sys.stderr)
sys.exit(code)
"""
ALPHAS = (0.0, 0.05, 0.1, 0.15, 0.2)
STRENGTHS = (0.5, *(k / 40 for k in range(1, 14)))
Cell = tuple[str, float, float]  # method, its strength, alpha
CELLS = [
    *(("none", 0.0, alpha) for alpha in ALPHAS),
    *((method, strength, alpha) for strength, method, alpha in product(STRENGTHS, METHODS, ALPHAS)),
]


def store(results_dir: Path, cell: Cell, seed: int, rows: int) -> str:
    """Store a synthetic run of mnist5k with all its files; return its name."""
    method, strength, alpha = cell
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (rows,), generator=random)
    logits = torch.randn(1, rows, 10, generator=random) * (2 - 5 * alpha)
    logits[0, torch.arange(rows), labels] += 5 - 10 * alpha
    fitted = Temperature(torch.tensor([0.6 + alpha], dtype=torch.float64), [""])
    record = dict.fromkeys(COLUMNS) | {
        "run": f"mnist5k-mlp-{method}-a{alpha:g}-s{seed}-{int(1e4 * strength):08x}", "status": "done",
        "cell": f"{method}-{strength:g}-{alpha:g}", "data": "mnist5k",
        "model": "mlp", "method": method, "convention": "uniform", "alpha": alpha, "dropout": 0.0,
        "augment": 0.0, "weight_decay": 0.0, "label_noise": 0.0, "lr": 0.1, "epochs": 20, "batch_size": 128,
        "seed": seed, "n_train": 3000, "n_test": rows, "train_accuracy": 1.0, "train_seconds": 0.4,
        "device": "cpu", "precision": "fp32", "stack_size": 40, "data_sha256": "3f1c" * 16, "torch": "2.15.0",
        "lsbench": "0.1.0", "git_sha": "9d07" * 10, "finished": f"2026-05-04T10:00:{seed % 60:02d}+00:00",
        "error": "", "temperature_flag": "", "diverged_step": None,
    }  # fmt: skip
    record |= {method: strength} if method != "none" else {}
    test = metrics.measure(logits, labels)
    scaled = metrics.measure(rescale(logits, fitted), labels)
    record |= {f"test_{name}": value.item() for name, value in test.items()}
    record |= {f"test_{name}_ts": scaled[name].item() for name in metrics.SCALED}
    record |= {"temperature": fitted.value.item()}
    record["test_ece_floor"] = ece_floor(logits).item()
    record["test_ece_floor_ts"] = ece_floor(rescale(logits, fitted)).item()
    record |= {f"select_{name}": record[f"test_{name}"] for name in ("accuracy", "nll", "nll_ts")}
    epochs = [{"epoch": e, "train_loss": 1 / e} for e in range(1, 21)]
    history = [epoch | {f"select_{name}": value.item() for name, value in test.items()} for epoch in epochs]
    folder = runs.run_dir(results_dir, record["run"])
    folder.mkdir(parents=True)
    write_csv(folder / "history.csv", history)
    write_csv(folder / "reliability.csv", reliability.tables(logits, labels, fitted)[0])
    arrays = {"test_logits": logits[0].numpy(), "test_labels": labels.numpy(), "test_rows": np.arange(rows)}
    np.savez(folder / "predictions.npz", **arrays)
    (folder / "result.json").write_text(json.dumps(record))
    return str(record["run"])


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))


def measure_report(results_dir: Path) -> tuple[Cost, float]:
    """The cost of `lsbench report`, and its peak memory in MB."""
    start = now()
    command = [sys.executable, "-c", REPORT, "report", NAME, f"results_dir={results_dir}"]
    peak = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr
    return now() - start, int(peak) / 1024


def take_turns(results_dir: Path, turns: int) -> dict[str, list[tuple[Cost, float]]]:
    """Costs and peak memory of a first report and of a second one, for each turn."""
    measured: dict[str, list[tuple[Cost, float]]] = {"first": [], "second": []}
    for turn in range(turns):
        for path in (path for path in (results_dir / NAME).rglob("*.*") if path.name != "sweep.json"):
            path.unlink()
        for report, values in measured.items():
            values.append(measure_report(results_dir))
            print(f"  turn {turn}, {report}: {values[-1]}", flush=True)
    return measured


def figures(measured: dict[str, list[tuple[Cost, float]]], folder: Path, count: int) -> list[Row]:
    """The rows of the benchmark; the goals are those of a report of 1,000 runs or more."""
    most_s, most_mb = GOALS if count >= 1000 else (None, None)
    row = partial(Row, at_most=True)
    rows = []
    for report, values in measured.items():
        costs, peaks = zip(*values, strict=True)
        name = f"{report} report of {count:,} runs"
        rows += [
            row(f"{name}, wall", unit="s", goal=most_s, **spread([cost.wall for cost in costs])),
            row(f"{name}, cpu", unit="s", goal=most_s, **spread([cost.cpu for cost in costs])),
            row(f"{name}, peak memory", unit="MB", goal=most_mb, **spread(peaks)),
        ]
    sizes = {
        "report.html": [folder / "report.html"],
        "all figures": list((folder / "figures").iterdir()),
        "all CSV": list(folder.glob("*.csv")),
    }
    for name, paths in sizes.items():
        size = sum(path.stat().st_size for path in paths) / 1e6
        rows.append(Row(f"{name}, size", unit="MB", **spread([size])))
    return rows


def main() -> None:
    options_of = parser(__doc__, turns=3)
    options_of.add_argument("--runs", type=int, default=1000)
    options_of.add_argument("--seeds", type=int, default=50)
    options_of.add_argument("--rows", type=int, default=1000)
    options_of.add_argument("--keep", type=Path, metavar="FOLDER", help="store the runs there and keep them")
    options = options_of.parse_args()
    if options.quick:
        options.runs, options.seeds, options.rows, options.turns = 8, 4, 100, 1
    with tempfile.TemporaryDirectory() as temporary:
        results_dir = options.keep or Path(temporary)
        grid = product(CELLS[: options.runs // options.seeds], range(options.seeds))
        names = [store(results_dir, cell, seed, options.rows) for cell, seed in grid]
        sweeps.write_sweep(results_dir, sweeps.Sweep(NAME, "lsbench train -m ...", tuple(names)))
        measured = take_turns(results_dir, options.turns)
        write(options.out, "report", figures(measured, results_dir / NAME, len(names)))


if __name__ == "__main__":
    main()
