"""Penultimate activations of three classes in the plane of their templates, with and without smoothing
(Müller, Kornblith & Hinton 2019, figure 1): from stored weights to points; figures/geometry.py draws them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lsbench.analysis.tables import PER_RUN, is_metric
from lsbench.errors import UsageError
from lsbench.probes import load_trained_model
from lsbench.probes.geometry import Projection, project
from lsbench.store.runs import Record

if TYPE_CHECKING:
    import torch

MOST = 200  # points of a class in a panel: as many as can be told apart
FACTS = ("data", "model", "method", "run", "alpha", "seed")


def points(
    results_dir: str | Path,
    records: Sequence[Record],
    options: Mapping[str, str],
    device: "torch.device",
) -> pd.DataFrame:
    """geometry.csv: a row for each point ``across`` and ``up`` in the plane, with its ``split`` and
    ``class``, of a plain and a smoothed run of each data set and model that has both; empty where none has.

    ``options`` name three ``classes`` (by default the first three; data of two have no plane) and the
    smoothed ``alpha`` (the largest). Raises `UsageError` where they cannot be met.
    """
    tables, alpha = [], smoothing(options["alpha"])
    for data, model in dict.fromkeys((record["data"], record["model"]) for record in records):
        own = [record for record in records if (record["data"], record["model"]) == (data, model)]
        for record in pair(own, alpha) or ():
            subject = load_trained_model(results_dir, record["run"], device)
            if len(subject.classes) < 3 and not options["classes"]:
                continue
            classes = numbers(options["classes"], subject.classes)
            tables.append(_table(record, project(subject, classes, MOST)))
    if options["alpha"] and not tables:
        raise UsageError(f"alpha={options['alpha']}: the sweep has no such run beside one without smoothing")
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*FACTS])


def _table(record: Record, projection: Projection) -> pd.DataFrame:
    """A run's points, to three decimals, which is finer than the figure."""
    tables = []
    for split, places in projection.points.items():
        names = [projection.classes[number] for number in projection.labels[split].tolist()]
        across, up = places.T.round(decimals=3).tolist()
        tables.append(pd.DataFrame({"split": split, "class": names, "across": across, "up": up}))
    table = pd.concat(tables, ignore_index=True)
    for place, name in enumerate(FACTS):
        table.insert(place, name, record[name])
    return table


def smoothing(given: str) -> float | None:
    """The alpha that ``given`` is, None where it is empty. Raises `UsageError` for no smoothing's."""
    try:
        alpha = float(given) if given else None
    except ValueError:
        alpha = math.nan
    if alpha is None or 0 < alpha < 1:
        return alpha
    raise UsageError(f"alpha={given}: allowed is a number above 0 and below 1")


def pair(records: Sequence[Record], alpha: float | None) -> tuple[Record, Record] | None:
    """A run without smoothing and one that differs in alpha alone: plain before other methods, the least seed
    first; of the alphas the one given, else the largest."""
    done = [record for record in records if record["status"] == "done"]
    plain = [record for record in done if record["alpha"] == 0]
    for base in sorted(plain, key=lambda record: (record["method"] != "none", record["seed"], record["run"])):
        smoothed = [
            record
            for record in done
            if record["alpha"] > 0 and alpha in (None, record["alpha"]) and _alike(record, base)
        ]
        if smoothed:
            return base, max(smoothed, key=lambda record: record["alpha"])
    return None


def _alike(one: Record, other: Record) -> bool:
    kept = [key for key in one | other if not is_metric(key) and key not in (*PER_RUN, "alpha")]
    return all(one.get(key) == other.get(key) for key in [*kept, "seed"])


def numbers(given: str, classes: Sequence[str]) -> list[int]:
    """Three classes by number or name, the first three by default. Raises `UsageError` for others."""
    words = given.split(",") if given else list(classes[:3])
    places = [_number(word.strip(), classes) for word in words]
    if len(set(places)) != 3:
        raise UsageError(f"classes={given or ','.join(words)}: a plane needs three different classes")
    return places


def _number(word: str, classes: Sequence[str]) -> int:
    if word in classes:
        return list(classes).index(word)
    if word.isdecimal() and int(word) < len(classes):
        return int(word)
    raise UsageError(f"classes: no class {word}; there are {', '.join(classes[:20])}")
