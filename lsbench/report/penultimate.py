"""Results of `lsbench probe NAME geometry` for a report: points of three classes in the penultimate layer,
and the within-class over the between-class scatter of each run."""

from pathlib import Path

import pandas as pd

from lsbench.analysis.results import Part
from lsbench.analysis.stats import t_interval
from lsbench.errors import StorageError
from lsbench.formatting import format_setting, plus_minus
from lsbench.report.tables import Table
from lsbench.store.files import remove
from lsbench.store.runs import run_dir
from lsbench.terms import DONE

POINTS_FILE = "geometry.csv"
PROBES_FILE = "probes.csv"
TITLE = "Clusters in the penultimate layer, by α"
ABOUT = (
    "Within-class over between-class scatter of the penultimate layer (traces), over all classes; mean ± "
    "half the width of the 95 % t-interval over seeds. The smaller, the tighter the clusters. The plane is "
    "the one through the templates of all classes; the last layer sees nothing else."
)
TITLES = {
    "within_between": "test",
    "within_between_train": "train",
    "within_between_plane": "test, in the plane",
    "within_between_plane_train": "train, in the plane",
}


def remove_stale(folder: Path, runs: pd.DataFrame) -> None:
    """Remove probes.csv and geometry.csv from ``folder`` if they have runs that are not among ``runs``: they
    belong to an earlier sweep with this name and would contradict the new tables."""
    for path in (folder / PROBES_FILE, folder / POINTS_FILE):
        if path.exists() and not set(_read(path)["run"]) <= set(runs["run"]):
            remove(path)


def probes(folder: Path) -> pd.DataFrame:
    """probes.csv in ``folder``, without a row if the file is missing. Raises `StorageError` if it does not
    parse."""
    path = folder / PROBES_FILE
    return _read(path) if path.exists() else pd.DataFrame(columns=["run"])


def points(folder: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """geometry.csv in ``folder``, without a row if the file is missing or has runs that are not among the
    finished ``runs``. Raises `StorageError` if it does not parse."""
    path = folder / POINTS_FILE
    if not path.exists():
        return pd.DataFrame()
    table = _read(path)
    done = set(runs.loc[runs["status"] == DONE, "run"])
    return table if set(table["run"]) <= done else table.iloc[:0]


def _read(path: Path) -> pd.DataFrame:
    """A table written by `lsbench probe`, without the apostrophe of `to_csv` before a run's name."""
    try:
        missing = {"across": "", "up": ""}  # but a class may be called None
        table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=missing)
        return table.assign(run=table["run"].str.removeprefix("'"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StorageError(f"{path}: {error}; delete it and run lsbench probe again") from error


def ratios(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each finished run whose geometry was probed: its ``cell`` and the columns of `TITLES`."""
    done = runs[runs["status"] == DONE].reindex(columns=["run", "cell"])
    probed_runs = [
        (run, cell)
        for run, cell in zip(done["run"], done["cell"], strict=True)
        if (run_dir(results_dir, run) / "probes" / "geometry.json").exists()
    ]
    if not probed_runs:
        return pd.DataFrame(columns=["cell", *TITLES])
    from lsbench.probes import read_stored  # imports torch, which takes longer than most reports

    measured = [(cell, read_stored(results_dir, run, "geometry")) for run, cell in probed_runs]
    rows = [{"cell": cell, **values} for cell, values in measured if values is not None]
    return pd.DataFrame(rows, columns=["cell", *TITLES])


def ratio_table(part: Part, values: pd.DataFrame) -> Table:
    """Header and rows: mean and interval of `ratios` for each cell of ``part`` that has some."""
    by_cell = dict(iter(values.groupby("cell")))
    rows = [
        [
            label,
            format_setting(alpha),
            str(len(by_cell[cell])),
            *(_mean_ci(by_cell[cell][name]) for name in TITLES),
        ]
        for label, line in part.lines
        for cell, alpha in zip(line["cell"], line["alpha"], strict=True)
        if cell in by_cell
    ]
    return ["method", "α", "n", *TITLES.values()], rows


def _mean_ci(values: "pd.Series[float]") -> str:
    interval = t_interval(values.dropna().tolist())
    return plus_minus(interval.mean, interval.high - interval.mean, 3)
