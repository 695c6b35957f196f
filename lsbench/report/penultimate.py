"""What `lsbench probe NAME geometry` has left for a report: points of three classes in the penultimate layer,
and for each run how tightly that layer gathers the classes."""

from pathlib import Path

import pandas as pd

from lsbench.analysis.results import Part
from lsbench.analysis.stats import t_interval
from lsbench.errors import StorageError
from lsbench.formatting import format_setting, plus_minus
from lsbench.report.tables import Table
from lsbench.store.files import remove
from lsbench.store.runs import run_dir

POINTS = "geometry.csv"
PROBED = "probes.csv"
TITLE = "Clusters in the penultimate layer, by α"
ABOUT = (
    "Scatter of the penultimate layer within classes over that between them (traces), over all classes; mean "
    "± half of the 95 % t-interval over seeds. The smaller, the tighter the clusters. The plane is the one "
    "through all templates, which is what the last layer sees."
)
TITLES = {
    "within_between": "test",
    "within_between_train": "train",
    "within_between_plane": "test, in the plane",
    "within_between_plane_train": "train, in the plane",
}


def remove_stale(folder: Path, runs: pd.DataFrame) -> None:
    """Remove what `lsbench probe` has left in ``folder`` of runs that are not among ``runs``: it is of an
    earlier sweep of this name, and would contradict the new tables."""
    for path in (folder / PROBED, folder / POINTS):
        if path.exists() and not set(_read(path)["run"]) <= set(runs["run"]):
            remove(path)


def points(folder: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """geometry.csv in ``folder``; no row where there is none, or it is of runs that are not among the done
    ``runs``. Raises `StorageError` for one that does not parse."""
    path = folder / POINTS
    if not path.exists():
        return pd.DataFrame()
    found = _read(path)
    done = set(runs.loc[runs["status"] == "done", "run"])
    return found if len(found) and set(found["run"]) <= done else found.iloc[:0]


def _read(path: Path) -> pd.DataFrame:
    """A table of `lsbench probe`, its runs as they are called (`to_csv` puts an apostrophe before a +)."""
    try:
        empty = dict.fromkeys(("across", "up"), "")  # and not a class called None
        found = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=empty)
        return found.assign(run=found["run"].str.removeprefix("'"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StorageError(f"{path}: {error}; delete it, and lsbench probe makes it again") from error


def ratios(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each finished run whose geometry was probed: its ``cell`` and the columns of `TITLES`."""
    done = runs[runs["status"] == "done"].reindex(columns=["run", "cell"])
    kept = [
        (run, cell)
        for run, cell in zip(done["run"], done["cell"], strict=True)
        if (run_dir(results_dir, run) / "probes" / "geometry.json").exists()
    ]
    if not kept:
        return pd.DataFrame(columns=["cell", *TITLES])
    from lsbench.probes import probed  # torch, which takes longer than most reports

    found = [(cell, probed(results_dir, run, "geometry")) for run, cell in kept]
    rows = [{"cell": cell, **values} for cell, values in found if values is not None]
    return pd.DataFrame(rows, columns=["cell", *TITLES])


def ratio_table(part: Part, values: pd.DataFrame) -> Table:
    """Header and rows: for each cell of ``part`` that has some of `ratios`, their mean and interval."""
    by_cell = dict(iter(values.groupby("cell")))
    rows = [
        [
            label,
            format_setting(alpha),
            str(len(by_cell[cell])),
            *(_spread(by_cell[cell][name]) for name in TITLES),
        ]
        for label, line in part.lines
        for cell, alpha in zip(line["cell"], line["alpha"], strict=True)
        if cell in by_cell
    ]
    return ["method", "α", "n", *TITLES.values()], rows


def _spread(values: "pd.Series[float]") -> str:
    found = t_interval(values.dropna().tolist())
    return plus_minus(found.mean, found.high - found.mean, 3)
