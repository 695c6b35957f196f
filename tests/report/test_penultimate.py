"""What a report takes from `lsbench probe`: points of runs it has, and each cell's mean ratio."""

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
    """A sweep of two alphas whose runs have geometry.json, the last of them none."""
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


def test_the_columns_are_those_of_the_probe():
    assert all_probes()["geometry"].columns == COLUMNS


def test_the_ratio_of_a_cell_is_the_mean_over_its_runs_with_their_interval(probed, tmp_path):
    results, values = probed
    header, rows = penultimate.ratio_table(results.parts[0], penultimate.ratios(tmp_path, results.runs))
    assert [row[:3] for row in rows] == [["none", "0", "4"], ["none", "0.1", "3"]]
    for row in rows:
        runs = results.runs
        own = runs[(runs["alpha"] == float(row[1])) & runs["run"].isin(values.keys())]["run"]
        for place, name in enumerate(COLUMNS, 3):
            x = np.array([values[run][name] for run in own])
            half = stats.t.ppf(0.975, len(x) - 1) * stats.sem(x)
            assert row[place] == f"{x.mean():.3f} ± {half:.3f}"
    assert header[3:] == list(penultimate.TITLES.values())


def test_what_another_version_of_the_probe_has_kept_is_not_shown(probed, tmp_path):
    results, values = probed
    for run in values:
        path = tmp_path / "runs" / run / "probes" / "geometry.json"
        older = json.loads(path.read_text()) | {"version": -1}
        path.write_text(json.dumps(older))
    assert penultimate.ratio_table(results.parts[0], penultimate.ratios(tmp_path, results.runs))[1] == []


def test_points_of_runs_that_the_sweep_does_not_have_are_not_shown(probed, tmp_path):
    runs = probed[0].runs
    assert penultimate.points(tmp_path, runs).empty
    table = pd.DataFrame({"run": runs["run"][:2], "class": ["0", "1"], "across": 0.5, "up": 1.0})
    table.to_csv(tmp_path / penultimate.POINTS, index=False)
    assert penultimate.points(tmp_path, runs)["class"].tolist() == ["0", "1"]
    assert penultimate.points(tmp_path, runs[1:]).empty
    failed = runs.assign(status=["failed", *runs["status"][1:]])
    assert penultimate.points(tmp_path, failed).empty
    (tmp_path / penultimate.POINTS).write_text("")
    with pytest.raises(StorageError, match=r"geometry\.csv"):
        penultimate.points(tmp_path, runs)


def test_a_class_may_have_the_name_of_nothing(probed, tmp_path):
    runs = probed[0].runs
    table = pd.DataFrame(
        {"run": runs["run"][:3], "class": ["None", "nan", ""], "across": [0.5, 1, 2], "up": 1.0}
    )
    (tmp_path / penultimate.POINTS).write_bytes(to_csv(table))
    found = penultimate.points(tmp_path, runs)
    assert found["class"].tolist() == ["None", "nan", ""] and found["across"].tolist() == [0.5, 1, 2]


def test_what_was_probed_of_another_grid_is_removed(probed, sweep, tmp_path, sketched):
    """But not where the grid has only grown, or runs have names that a spreadsheet would take for sums."""
    runs = probed[0].runs.assign(run="+" + probed[0].runs["run"])
    files = [tmp_path / "geo" / name for name in (penultimate.PROBED, penultimate.POINTS)]
    kept = runs[["run"]].assign(fgsm_accuracy=[0.5] * 7 + [None])
    (tmp_path / "geo").mkdir()
    for path in files:
        path.write_bytes(to_csv(kept.iloc[2:]))
    penultimate.remove_stale(tmp_path / "geo", runs)
    assert all(path.exists() for path in files)
    others = sweep(alphas=[0.0, 0.1], methods=["dropout"], seeds=range(4))
    write_report(make_results(others, tmp_path / "geo"))
    assert not any(path.exists() for path in files) and (tmp_path / "geo" / "runs.csv").exists()


def test_the_report_shows_the_ratios_in_both_forms_and_nothing_without(probed, sweep, tmp_path, sketched):
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
