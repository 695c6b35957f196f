"""Baselines of a cell: the cell without any treatment, the cell that lacks only smoothing, and, for smoothing
with another convention, the same cell with the convention uniform.

Treatments and conditions:

- `alpha`, `dropout`, `augment`, `weight_decay`, a method's own knobs and its other settings
  (`method.teacher`) are treatments; `method` only names those that are on. The baseline has alpha 0 and each
  other treatment off. A treatment that is on in every cell under these conditions (such as a weight decay of
  5e-4 in all of them) is itself a condition: the baseline has the same value.
- `label_noise`, the data and their size, `model`, `lr`, `epochs`, `batch_size`, `precision` and the other
  settings with a dot in their name (`model.hidden`, `optim.momentum`) are conditions: the baseline has
  the same. So the effect of smoothing under 20 % label noise is measured against a model trained under it.
- `convention` has no effect at alpha 0, so the baseline may have another; the cell's is preferred.

If no such cell was run, the alpha 0 cell of otherwise equal settings is taken. If there is none, or if two
cells fit equally because they differ in a setting that no column shows, there is no baseline.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from lsbench.analysis.columns import Row, settings_of
from lsbench.terms import COLUMNS, METHOD_KNOBS

Key = tuple[Any, ...]

CONDITIONS = ["label_noise", "lr", "epochs", "batch_size", "precision", "n_train", "n_test", "data_sha256"]
# Settings that n_train and n_test repeat.
SIZES = ("data.train", "data.test")


class Compared(NamedTuple):
    """The cells that a cell is compared with, by name; empty where there is none. ``uniform`` is the cell
    with this convention."""

    baseline: str
    unsmoothed: str
    uniform: str


def treatments(settings: Iterable[str]) -> list[str]:
    """The treatments other than smoothing among ``settings``; those of single methods come last."""
    return [*METHOD_KNOBS, *(name for name in settings if name not in COLUMNS and not _is_condition(name))]


def _is_condition(name: str) -> bool:
    """Return whether a setting without a column of its own belongs to model, data or optimiser."""
    return "." in name and not name.startswith("method.")


def strengths(table: pd.DataFrame) -> dict[str, list[float]]:
    """The treatments other than smoothing that some cell of a summary has, each with its values above 0."""
    knobs = [name for name in treatments(settings_of(table)) if "." not in name]
    values = {name: sorted(set(table[name][table[name] > 0])) for name in knobs}
    return {name: above_zero for name, above_zero in values.items() if above_zero}


def compared(cells: pd.DataFrame, settings: Sequence[str]) -> list[Compared]:
    """The baselines of each of ``cells``, by the rules at the top of this file."""
    names = treatments(settings)
    dotted = [name for name in settings if _is_condition(name) and name not in SIZES]
    conditions = ["data", "model", *CONDITIONS, *dotted]
    rows = [_plain(row, names) for row in cells.to_dict("records")]
    groups = _alike([tuple(row[name] for name in conditions) for row in rows])
    baselines: dict[int, Compared] = {}
    for members, candidates in groups:
        peers = _Peers([rows[index] for index in candidates], names)
        baselines |= {index: peers.baselines_of(rows[index]) for index in members}
    return [baselines[index] for index in range(len(rows))]


def _plain(row: dict[Any, Any], knobs: Sequence[str]) -> Row:
    """A row with None for what is missing, and 0 for a knob that the run's method doesn't have."""
    known = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    return known | {name: 0 for name in knobs if known[name] is None}


def _alike(keys: Sequence[Key]) -> list[tuple[list[int], list[int]]]:
    """For each set of equal conditions the rows that have it, and the rows that may be their baseline.

    A cell whose runs all failed may lack the values that are known only after the data are loaded; they are
    None, and the cell may be the baseline of every cell that agrees with its other values.
    """
    rows: dict[Key, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        rows[key].append(index)
    gaps = [key for key in rows if None in key]
    return [
        (members, sorted({*members, *(index for gap in gaps if _fits(gap, key) for index in rows[gap])}))
        for key, members in rows.items()
    ]


def _fits(gap: Key, key: Key) -> bool:
    return all(value is None or value == other for value, other in zip(gap, key, strict=True))


class _Peers:
    """Cells under the same conditions: the treatments that some of them lack, and those at alpha 0."""

    def __init__(self, peers: Sequence[Row], names: Sequence[str]) -> None:
        self.names = names
        self.varies = {name for name in names if any(peer[name] == 0 for peer in peers)}
        self.unsmoothed: dict[Key, list[Row]] = defaultdict(list)
        self.uniform: dict[Key, list[Row]] = defaultdict(list)
        for peer in peers:
            if peer["alpha"] == 0:
                self.unsmoothed[tuple(peer[name] for name in names)].append(peer)
            elif peer["convention"] == "uniform":
                self.uniform[tuple(peer[name] for name in ("alpha", *names))].append(peer)

    def baselines_of(self, cell: Row) -> Compared:
        plain = tuple(0 if name in self.varies else cell[name] for name in self.names)
        same = self.unsmoothed.get(tuple(cell[name] for name in self.names), [])
        uniform = self.uniform.get(tuple(cell[name] for name in ("alpha", *self.names)), [])
        baseline = _pick(cell, self.unsmoothed.get(plain, same))
        return Compared(baseline, _pick(cell, same), _pick(cell, uniform))


def _pick(cell: Row, fitting: Sequence[Row]) -> str:
    """The only cell among ``fitting`` with the preferred convention; ``cell`` itself if it is one of them."""
    names = {row["cell"] for row in fitting}
    if cell["cell"] in names:
        return str(cell["cell"])
    for convention in dict.fromkeys([cell["convention"], "uniform", *(row["convention"] for row in fitting)]):
        match = [row["cell"] for row in fitting if row["convention"] == convention]
        if match:
            return str(match[0]) if len(match) == 1 else ""
    return ""
