"""Set lsbench's numbers beside those of a published replication, from a sweep's summary.csv.

    python scripts/compare_published.py [FOLDER]        by default results/replication-mnist

The published numbers are single runs of Wagner, Kurowski, Holländer & Uelwer, "[Re] When Does Label Smoothing
Help?", ReScience C 10(1) #1, 2025, doi:10.5281/zenodo.14953654, with the digits that their notebook
FC_MNIST_Accuracy_IMC_Toy.ipynb prints (github.com/sdwagner/re-labelsmoothing). It is a replication of Müller,
Kornblith & Hinton 2019 (arXiv:1906.02629), who give no such table for MNIST.

Writes beside_published.csv and beside_published.md into FOLDER: for each published α, lsbench's error and ECE
on test as mean, 95 % t-interval over seeds and n, and the differences between the two setups.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lsbench.formatting import DASH, format_setting, number, pipe_table
from lsbench.store.files import to_csv, write_atomically

FOLDER = "results/replication-mnist"
ALPHAS = (0.0, 0.05, 0.1, 0.15, 0.3)
ERROR = dict(zip(ALPHAS, (0.94, 0.67, 0.69, 0.76, 0.87), strict=True))  # per cent of the test split
ECE = dict(zip(ALPHAS, (0.0020, 0.0557, 0.1020, 0.1467, 0.2809), strict=True))
ECE_SCALED = {0.0: 0.0013}  # by T = 1.06
SUFFIXES = {"": "mean", "_low": "low", "_high": "high"}  # of the columns written, and of summary.csv
# The published setup, from the paper and the notebook.
PUBLISHED = {
    "network": "784-1200-1200-10, ReLU, no dropout, weights and biases from N(0, 0.03²)",
    "train images": "60,000",
    "augmentation": "shifts by up to 2 pixels",
    "normalisation": "none",
    "optimiser": "SGD, momentum 0.9 with dampening 0.9, so a step is a running mean of gradients",
    "learning rate": "1 (last layer 0.1), linear to 0",
    "batch size": "512",
    "epochs": "100",
    "temperature": "1.06, tried out for the least ECE; on which split is not said",
    "ECE": "15 bins of equal width, closed below",
    "runs": "1",
}


def main(arguments: list[str]) -> int:
    """Write both files and print the table; return the exit code."""
    folder = Path(arguments[0] if arguments else FOLDER)
    try:
        summary = pd.read_csv(folder / "summary.csv")
        table = compare(summary)
    except (OSError, ValueError, KeyError) as error:
        print(f"compare_published: {folder / 'summary.csv'}: {error}", file=sys.stderr)
        return 4 if isinstance(error, OSError) else 3
    write_atomically(folder / "beside_published.csv", to_csv(table))
    write_atomically(folder / "beside_published.md", text(table, setup(summary)).encode())
    print(pipe_table(*shown(table)))
    return 0


def compare(summary: pd.DataFrame) -> pd.DataFrame:
    """A row for each method and published α that was run: errors in per cent, ECE as a fraction.

    Raises `ValueError` if none was run, or if several cells have the same method and α.
    """
    ours = summary[summary["alpha"].isin(ALPHAS)]
    if ours.empty:
        raise ValueError("has no α of the published table")
    if ours.duplicated(["method", "alpha"]).any():
        raise ValueError("has several rows of the same method and α, so it is unclear which to compare")
    rows = [
        {
            **{"method": row["method"], "alpha": row["alpha"], "n": row["n"]},
            "error": 100 * (1 - row["test_accuracy_mean"]),
            "error_low": 100 * (1 - row["test_accuracy_high"]),
            "error_high": 100 * (1 - row["test_accuracy_low"]),
            "error_published": ERROR[row["alpha"]],
            **{f"ece{end}": row[f"test_ece_{name}"] for end, name in SUFFIXES.items()},
            "ece_published": ECE[row["alpha"]],
            **{f"ece_scaled{end}": row[f"test_ece_ts_{name}"] for end, name in SUFFIXES.items()},
            "ece_scaled_published": ECE_SCALED.get(row["alpha"], float("nan")),
        }
        for row in ours.to_dict("records")
    ]
    return pd.DataFrame(rows)


def setup(summary: pd.DataFrame) -> dict[str, str]:
    """lsbench's setup, with the keys of `PUBLISHED`, as far as the summary has it."""

    def values(name: str) -> str:
        return ", ".join(map(format_setting, summary[name].dropna().unique())) if name in summary else "?"

    hidden = "-".join(map(str, json.loads(values("model.hidden")))) if "model.hidden" in summary else "?"
    shifted = summary["augment"] > 0
    shifts = f"shifts by up to {values('data.shift')} pixels" if shifted.any() else "none"
    if shifted.any() and not shifted.all():
        shifts += " with method=augment, else none"
    optimiser = f"{values('optim.name').upper()}, momentum {values('optim.momentum')}"
    return {
        "network": f"784-{hidden}-10, ReLU, dropout {values('dropout')}, PyTorch's initial weights",
        "train images": f"{int(summary['n_train'].iloc[0]):,}; the others are for select and calibrate",
        "augmentation": shifts,
        "normalisation": "mean and standard deviation of the train split",
        "optimiser": f"{optimiser}, Nesterov {values('optim.nesterov')}",
        "learning rate": f"{values('lr')}, {values('optim.schedule')} to 0",
        "batch size": values("batch_size"),
        "epochs": values("epochs"),
        "temperature": "of each run, by NLL on the calibrate split",
        "ECE": "15 bins of equal width, closed above",
        "runs": f"{values('n')} seeds",
    }


def shown(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows to read; lsbench's numbers as mean ± half of the interval."""
    header = ["method", "α", "n", "error %", "published", "ECE", "published", "ECE scaled", "published"]
    rows = [
        [
            *(row["method"], format_setting(row["alpha"]), str(row["n"])),
            *(_spread(row, "error", 2), number(row["error_published"], 2)),
            *(_spread(row, "ece", 4), number(row["ece_published"], 4)),
            *(_spread(row, "ece_scaled", 4), number(row["ece_scaled_published"], 4)),
        ]
        for row in table.to_dict("records")
    ]
    return header, rows


def _spread(row: Mapping[Any, Any], name: str, digits: int) -> str:
    half = number(row[f"{name}_high"] - row[name], digits)
    return number(row[name], digits) + (f" ± {half}" if half != DASH else "")


def text(table: pd.DataFrame, ours: dict[str, str]) -> str:
    """The content of beside_published.md."""
    setups = [[name, published, ours[name]] for name, published in PUBLISHED.items()]
    about = (__doc__ or "").split("\n\n")[2]
    blocks = [
        "# Beside the published MNIST table",
        "Ours: mean ± half of the 95 % t-interval over seeds. Scaled: after temperature scaling.",
        pipe_table(*shown(table)),
        about,
        "## What differs",
        pipe_table(["", "published", "ours"], setups),
        "Made by `python scripts/compare_published.py`.",
    ]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
