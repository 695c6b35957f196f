"""Paired differences between the cells of a sweep, and their columns in the summary.

A cell is compared with up to four others (columns.py lists the kinds): what smoothing does is the difference
from the same cell without it, and the difference from plain training is another question. Intervals and p
hold for new images, seeds and test rows both random (crossed.py), where the metric is a mean over test rows
(`rows.METRICS`) and the runs have stored their predictions; otherwise for new seeds on the same test rows.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lsbench.analysis.columns import (
    CONVENTION,
    P_HOLM,
    PLAIN,
    SCALING,
    SMOOTHING,
    TEST_SET,
    Row,
    paired_columns,
    stem,
)
from lsbench.analysis.rows import RowScores, StoredScores, crossed_scores
from lsbench.analysis.stats import Paired, holm, paired

Values = Mapping[int, Mapping[str, float]]  # the metrics of a cell's finished runs, by seed

# The column of a cell that names the other cell of each kind of comparison.
OTHER = {SMOOTHING: "unsmoothed", PLAIN: "baseline", CONVENTION: "uniform", SCALING: "unsmoothed"}
# A comparison with temperature scaling: the metric of the cell, and the metric of the other cell.
SCALED = {"test_ece": "test_ece_ts"}
# The fields of `Paired` whose columns stand at the end, and those that differ between the two targets.
SPREAD = ("se", "df", "rows_se")
INFERENCE = ("low", "high", "p")


@dataclass(frozen=True)
class Difference:
    """The difference of ``metric`` between two cells, paired by seed.

    ``pair`` holds for new images if ``pair.rows_se`` is a number, and ``test_set`` for new seeds on the same
    test rows. ``p_holm`` is adjusted over the cells of one data set and model. ``wrong_way`` is the share of
    pairs whose difference has the other sign than their mean.
    """

    cell: str
    other: str
    kind: str
    metric: str
    pair: Paired
    test_set: Paired
    wrong_way: float
    p_holm: float = math.nan

    @property
    def stem(self) -> str:
        """The beginning of its columns in the summary."""
        return stem(self.metric, self.kind)


def differences(
    row: Row, values: Mapping[str, Values], metrics: Sequence[str], scores: StoredScores
) -> Iterator[Difference]:
    """Every difference of ``metrics`` between a cell, a ``row`` of `tables.cells_table`, and the cells that
    it is compared with, whose finished runs have ``values`` and ``scores``."""
    cell = row["cell"]
    for kind, column in OTHER.items():
        other = row[column]
        if other and other != cell:
            sides = Side(values[cell], scores.of_cell(cell)), Side(values[other], scores.of_cell(other))
            compared = SCALED if kind == SCALING else dict(zip(metrics, metrics, strict=True))
            for metric, of_other in compared.items():
                pair, test_set, wrong_way = compare(*sides, metric, of_other)
                yield Difference(cell, other, kind, metric, pair, test_set, wrong_way)


def adjusted(made: Sequence[Difference]) -> list[Difference]:
    """The differences between the cells of one data set and model with ``p_holm``, which is adjusted over all
    of one kind and metric."""
    families: dict[str, list[float]] = {}
    for difference in made:
        families.setdefault(difference.stem, []).append(difference.pair.p)
    p_holm = {stem: iter(holm(p)) for stem, p in families.items()}
    return [replace(difference, p_holm=next(p_holm[difference.stem])) for difference in made]


class Side(NamedTuple):
    """The metrics and the row scores of a cell's runs, by seed."""

    values: Values
    scores: Mapping[int, RowScores | None]


def compare(a: Side, b: Side, metric: str, of_b: str) -> tuple[Paired, Paired, float]:
    """The difference of a's ``metric`` and b's ``of_b`` over their common seeds: for new images, for new
    seeds on the same test rows, and the share of seeds that point the other way."""
    common = [(seed, run[metric], b.values[seed][of_b]) for seed, run in a.values.items() if seed in b.values]
    known = [pair for pair in common if not (math.isnan(pair[1]) or math.isnan(pair[2]))]
    firsts, seconds = [first for _, first, _ in known], [second for _, _, second in known]
    terms = ([(1.0, a.scores.get(s), metric), (-1.0, b.scores.get(s), of_b)] for s, _, _ in known)
    pair = paired(firsts, seconds, crossed_scores(terms))
    wrong = [(first - second) * pair.diff < 0 for _, first, second in known]
    return pair, paired(firsts, seconds), sum(wrong) / len(wrong) if wrong else math.nan


def difference_columns(
    cells: Sequence[str], metrics: Sequence[str], made: Sequence[Difference]
) -> dict[str, Row]:
    """The columns of the summary for each of ``cells``: difference, interval, sd, n, p and Holm's p in each
    of ``metrics``, empty where a cell is not compared. Conventions have columns if some are compared."""
    kinds = {difference.kind for difference in made} | {SMOOTHING, PLAIN, SCALING}
    nothing = paired([], [])
    empty: Row = {}
    for kind in (kind for kind in OTHER if kind in kinds):
        for metric in SCALED if kind == SCALING else metrics:
            empty |= _columns(metric, kind, nothing, math.nan)
    columns = {cell: dict(empty) for cell in cells}
    for d in made:
        columns[d.cell] |= _columns(d.metric, d.kind, d.pair, d.p_holm)
    return columns


def _columns(metric: str, kind: str, pair: Paired, p_holm: float) -> Row:
    names = paired_columns(metric, kind)
    row: Row = {name: getattr(pair, field) for field, name in names.items()}
    return row | {f"{stem(metric, kind)}{P_HOLM}": p_holm}


def test_set_columns(cells: Sequence[str], made: Iterable[Difference]) -> dict[str, Row]:
    """Further columns for each of ``cells``, of the differences that hold for new images: their standard
    errors, and interval and p for new seeds on the same test rows."""
    columns: dict[str, Row] = {cell: {} for cell in cells}
    for d in made:
        if not math.isnan(d.pair.rows_se):
            names = paired_columns(d.metric, d.kind)
            columns[d.cell] |= {f"{names['diff']}_{field}": getattr(d.pair, field) for field in SPREAD}
            same_rows = {f"{names[field]}{TEST_SET}": getattr(d.test_set, field) for field in INFERENCE}
            columns[d.cell] |= same_rows
    return columns
