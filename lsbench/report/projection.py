"""Penultimate activations of three classes in the plane of their templates, with and without smoothing
(Müller, Kornblith & Hinton 2019, figure 1): points from stored weights, drawn by figures/geometry.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lsbench.analysis.columns import PER_RUN, is_metric
from lsbench.errors import UsageError
from lsbench.probes import load_trained_model
from lsbench.probes.geometry import Projection, project
from lsbench.store.runs import Record
from lsbench.terms import DONE

if TYPE_CHECKING:
    import torch

POINTS_PER_CLASS = 200  # in a panel: as many as can be told apart
FACTS = ("data", "model", "method", "run", "alpha", "seed")


def points(
    results_dir: str | Path,
    records: Sequence[Record],
    device: "torch.device",
    *,
    classes: Sequence[str] = (),
    alpha: float | None = None,
) -> pd.DataFrame:
    """geometry.csv: a row for each point, with its coordinates ``across`` and ``up`` in the plane, ``split``
    and ``class``, of a plain and a smoothed run for each data set and model that has both; empty if none has.

    ``classes`` are three names or numbers, by default the first three (data of two classes have no plane);
    ``alpha`` is that of the smoothed run, by default the largest. Raises `UsageError` for a class or alpha
    that does not exist.
    """
    tables = []
    for data, model in dict.fromkeys((record["data"], record["model"]) for record in records):
        comparable = [record for record in records if (record["data"], record["model"]) == (data, model)]
        for record in pair(comparable, alpha) or ():
            trained = load_trained_model(results_dir, record["run"], device)
            if len(trained.classes) < 3 and not classes:
                continue
            projection = project(trained, class_indices(classes, trained.classes), POINTS_PER_CLASS)
            tables.append(_table(record, projection))
    if alpha is not None and not tables:
        raise UsageError(f"alpha={alpha:g}: the sweep has no such run beside one without smoothing")
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*FACTS])


def _table(record: Record, projection: Projection) -> pd.DataFrame:
    """A run's points, to three decimals, which is finer than the figure."""
    tables = []
    for split, coordinates in projection.points.items():
        names = [projection.classes[index] for index in projection.labels[split].tolist()]
        across, up = coordinates.T.round(decimals=3).tolist()
        tables.append(pd.DataFrame({"split": split, "class": names, "across": across, "up": up}))
    table = pd.concat(tables, ignore_index=True)
    for position, name in enumerate(FACTS):
        table.insert(position, name, record[name])
    return table


def pair(records: Sequence[Record], alpha: float | None) -> tuple[Record, Record] | None:
    """A run without smoothing and one that differs in alpha alone: plain training before other methods, the
    smallest seed first. The smoothed run's alpha is ``alpha``, or the largest if that is None."""
    done = [record for record in records if record["status"] == DONE]
    plain = [record for record in done if record["alpha"] == 0]
    for base in sorted(plain, key=lambda record: (record["method"] != "none", record["seed"], record["run"])):
        smoothed = [
            record
            for record in done
            if record["alpha"] > 0 and alpha in (None, record["alpha"]) and _differ_in_alpha(record, base)
        ]
        if smoothed:
            return base, max(smoothed, key=lambda record: record["alpha"])
    return None


def _differ_in_alpha(a: Record, b: Record) -> bool:
    """True if all other settings and the seed of two runs are equal."""
    settings = [key for key in a | b if not is_metric(key) and key not in (*PER_RUN, "alpha")]
    return all(a.get(key) == b.get(key) for key in [*settings, "seed"])


def class_indices(chosen: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The indices of three classes, ``chosen`` by name or number, by default the first three. Raises
    `UsageError` for others."""
    words = list(chosen or classes[:3])
    indices = [_index(word, classes) for word in words]
    if len(set(indices)) != 3:
        raise UsageError(f"classes={','.join(words)}: a plane needs three different classes")
    return indices


def _index(word: str, classes: Sequence[str]) -> int:
    if word in classes:
        return list(classes).index(word)
    if word.isdecimal() and int(word) < len(classes):
        return int(word)
    raise UsageError(f"classes: no class {word}; there are {', '.join(classes[:20])}")
