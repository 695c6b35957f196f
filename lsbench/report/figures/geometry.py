"""Penultimate activations of three classes in the plane of their templates, with and without smoothing
(Müller, Kornblith & Hinton 2019, figure 1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lsbench.probes import restore
from lsbench.probes.geometry import Projection, project
from lsbench.report.aggregate import PER_RUN, is_metric
from lsbench.report.figures import remove_stale, save
from lsbench.report.figures.drawing import STYLE, encode
from lsbench.report.text import brief
from lsbench.runs import Record
from lsbench.terms import UsageError

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes

MOST = 200  # points of a class in a panel: as many as can be told apart
# Of Okabe and Ito (2008), apart in grey too; the filled ones in front would hide the others, so all are thin.
LOOKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#000000", "^"))


def write(
    folder: Path,
    results_dir: str | Path,
    records: Sequence[Record],
    options: Mapping[str, str],
    device: "torch.device",
) -> list[Path]:
    """A figure for each data set and model that has plain and smoothed runs; the paths of the PNGs.

    ``options`` name three ``classes`` (by default the first three) and the smoothed ``alpha`` (the largest).
    Raises `UsageError` where they cannot be met.
    """
    files = []
    groups = list(dict.fromkeys((record["data"], record["model"]) for record in records))
    for data, model in groups:
        own = [record for record in records if (record["data"], record["model"]) == (data, model)]
        chosen = pair(own, _alpha(options["alpha"]))
        if not chosen:
            continue
        columns = {}
        for record in chosen:
            subject = restore(results_dir, record["run"], device)
            classes = numbers(options["classes"], subject.classes)
            columns[f"α = {record['alpha']:g}"] = project(subject, classes, MOST)
        name = "geometry" if len(groups) == 1 else f"geometry-{data}-{model}"
        title = ", ".join([data, model, *_settings(chosen[0]), f"seed {chosen[0]['seed']}"])
        save(folder, name, encode(draw(columns, title), dpi=200))
        files.append(folder / f"{name}.png")
    if options["alpha"] and not files:
        raise UsageError(f"alpha={options['alpha']}: the sweep has no such run beside one without smoothing")
    remove_stale(folder, ["geometry"], [path.stem for path in files])
    return files


def _alpha(given: str) -> float | None:
    try:
        return float(given) if given else None
    except ValueError:
        raise UsageError(f"alpha={given}: allowed is a number") from None


def pair(records: Sequence[Record], alpha: float | None) -> tuple[Record, Record] | None:
    """A run without smoothing and one that differs in alpha alone: plain before other methods, the least seed
    first; of the alphas the one given, else the largest."""
    done = [record for record in records if record["status"] == "done"]
    plain = [record for record in done if record["alpha"] == 0]
    for base in sorted(plain, key=lambda record: (record["method"] != "none", record["seed"], record["run"])):
        smoothed = [
            record
            for record in done
            if record["alpha"] > 0 and record["alpha"] == (alpha or record["alpha"]) and _alike(record, base)
        ]
        if smoothed:
            return base, max(smoothed, key=lambda record: record["alpha"])
    return None


def _alike(one: Record, other: Record) -> bool:
    kept = [key for key in one | other if not is_metric(key) and key not in (*PER_RUN, "alpha")]
    return all(one.get(key) == other.get(key) for key in [*kept, "seed"])


def _settings(record: Record) -> list[str]:
    """The method that both runs share, where there is one."""
    return [] if record["method"] == "none" else [brief(record["method"])]


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


def draw(columns: Mapping[str, Projection], title: str) -> Figure:
    """Two panels for each of ``columns``: its train rows and its test rows, in the same limits."""
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.06, wspace=0.03)
        figure = Figure(figsize=(2.6 * 2 * len(columns), 3.4), layout=layout)
        places = [(name, split) for name in columns for split in ("train", "test")]
        for axes, (name, split) in zip(figure.subplots(1, len(places)), places, strict=True):
            axes.set_title(f"{name}, {split}")
            _panel(axes, columns[name], split)
        first = next(iter(columns.values()))
        figure.suptitle(f"Penultimate layer, {title}", x=0.008, ha="left", fontsize=10.5)
        handles, _ = figure.axes[0].get_legend_handles_labels()
        labels = [f"class {name}" for name in first.classes.values()]
        figure.legend(handles, labels, loc="outside lower left", ncols=3, frameon=False, handletextpad=0.2)
    return figure


def _panel(axes: "Axes", projection: Projection, split: str) -> None:
    points, labels = projection.points[split], projection.labels[split]
    for (number, name), (colour, marker) in zip(projection.classes.items(), LOOKS, strict=True):
        across, up = points[labels == number].T.tolist()
        looks: dict[str, Any] = {"edgecolors": colour, "facecolors": "none", "linewidths": 0.7}
        axes.scatter(across, up, s=13, marker=marker, label=name, **looks)
    every = [tensor for tensor in projection.points.values() if len(tensor)]
    low = [min(tensor[:, axis].min().item() for tensor in every) for axis in (0, 1)]
    high = [max(tensor[:, axis].max().item() for tensor in every) for axis in (0, 1)]
    half = 0.55 * max(high[0] - low[0], high[1] - low[1], 1e-9)
    x, y = ((low[axis] + high[axis]) / 2 for axis in (0, 1))
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(y - half, y + half)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7.5)
    axes.locator_params(nbins=5)
