"""Results of `lsbench probe` in a report: points of its runs, and the mean ratio of each cell."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lsbench.errors import StorageError
from lsbench.probes import all_probes
from lsbench.report import penultimate
from lsbench.report.publish import write_report
from lsbench.store.files import to_csv

from ..records import make_results

COLUMNS = tuple(penultimate.TITLES)


@pytest.fixture
def probed(sweep, tmp_path):
    """A sweep of two alphas whose runs have a geometry.json, except the last run."""
    records = sweep(alphas=[0.0, 0.1], methods=["none"], seeds=range(4))
    random = np.random.default_rng(0)
    version = all_probes()["geometry"].version
    values = {}
    for record in records[:-1]:
        values[record["run"]] = {name: random.uniform() + 2 * record["alpha"] for name in COLUMNS}
        path = tmp_path / "runs" / record["run"] / "probes" / "geometry.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"version": version, "values": values[record["run"]]}))
    return make_results(records, tmp_path / "geo"), values


def test_the_columns_are_the_probe_s():
    assert all_probes()["geometry"].columns == COLUMNS


def test_the_ratio_of_a_cell_is_the_mean_over_its_runs_with_their_interval(probed, tmp_path):
    results, values = probed
    header, rows = penultimate.ratio_table(results.parts[0], penultimate.ratios(tmp_path, results.runs))
    assert [row[:3] for row in rows] == [["none", "0", "4"], ["none", "0.1", "3"]]
    for row in rows:
        runs = results.runs
        cell = runs[(runs["alpha"] == float(row[1])) & runs["run"].isin(values.keys())]["run"]
        for index, name in enumerate(COLUMNS, 3):
            x = np.array([values[run][name] for run in cell])
            half = stats.t.ppf(0.975, len(x) - 1) * stats.sem(x)
            assert row[index] == f"{x.mean():.3f} ± {half:.3f}"
    assert header[3:] == list(penultimate.TITLES.values())


def test_results_of_another_version_of_the_probe_are_not_shown(probed, tmp_path):
    results, values = probed
    for run in values:
        path = tmp_path / "runs" / run / "probes" / "geometry.json"
        older = json.loads(path.read_text()) | {"version": -1}
        path.write_text(json.dumps(older))
    assert penultimate.ratio_table(results.parts[0], penultimate.ratios(tmp_path, results.runs))[1] == []


def test_points_of_runs_outside_the_sweep_are_not_shown(probed, tmp_path):
    runs = probed[0].runs
    assert penultimate.points(tmp_path, runs).empty
    table = pd.DataFrame({"run": runs["run"][:2], "class": ["0", "1"], "across": 0.5, "up": 1.0})
    table.to_csv(tmp_path / penultimate.POINTS_FILE, index=False)
    assert penultimate.points(tmp_path, runs)["class"].tolist() == ["0", "1"]
    assert penultimate.points(tmp_path, runs[1:]).empty
    failed = runs.assign(status=["failed", *runs["status"][1:]])
    assert penultimate.points(tmp_path, failed).empty
    (tmp_path / penultimate.POINTS_FILE).write_text("")
    with pytest.raises(StorageError, match=r"geometry\.csv"):
        penultimate.points(tmp_path, runs)


def test_a_class_may_be_called_none_or_nan(probed, tmp_path):
    runs = probed[0].runs
    table = pd.DataFrame(
        {"run": runs["run"][:3], "class": ["None", "nan", ""], "across": [0.5, 1, 2], "up": 1.0}
    )
    (tmp_path / penultimate.POINTS_FILE).write_bytes(to_csv(table))
    points = penultimate.points(tmp_path, runs)
    assert points["class"].tolist() == ["None", "nan", ""] and points["across"].tolist() == [0.5, 1, 2]


def test_probe_tables_of_another_grid_are_removed(probed, sweep, tmp_path, sketched):
    """The tables stay if the grid has only grown, also if a run's name begins with a +."""
    runs = probed[0].runs.assign(run="+" + probed[0].runs["run"])
    files = [tmp_path / "geo" / name for name in (penultimate.PROBES_FILE, penultimate.POINTS_FILE)]
    table = runs[["run"]].assign(fgsm_accuracy=[0.5] * 7 + [None])
    (tmp_path / "geo").mkdir()
    for path in files:
        path.write_bytes(to_csv(table.iloc[2:]))
    penultimate.remove_stale(tmp_path / "geo", runs)
    assert all(path.exists() for path in files)
    others = sweep(alphas=[0.0, 0.1], methods=["dropout"], seeds=range(4))
    write_report(make_results(others, tmp_path / "geo"))
    assert not any(path.exists() for path in files) and (tmp_path / "geo" / "runs.csv").exists()


def test_both_forms_of_the_report_show_the_ratios_of_a_probed_sweep(probed, sweep, tmp_path, sketched):
    results, _ = probed
    rows = penultimate.ratio_table(results.parts[0], penultimate.ratios(tmp_path, results.runs))[1]
    write_report(results)
    page, text = ((tmp_path / "geo" / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert penultimate.TITLE in text and penultimate.TITLE in page
    for cell in (cell for row in rows for cell in row[3:]):
        assert cell in page and cell in text
    others = sweep(alphas=[0.0, 0.1], methods=["dropout"], seeds=range(4))
    write_report(make_results(others, tmp_path / "other"))
    assert "enultimate" not in (tmp_path / "other" / "report.md").read_text()
