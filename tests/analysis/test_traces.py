import pandas as pd
import pytest

from lsbench.analysis import traces
from lsbench.analysis.tables import runs_table
from lsbench.errors import StorageError


@pytest.fixture
def stored(tmp_path, sweep, traces):
    """A sweep of two cells and three seeds with the files of its runs: its folder and its runs."""
    records = sweep(alphas=[0.0, 0.1], methods=["none"], seeds=range(3))
    traces(tmp_path, records)
    return tmp_path, runs_table(records)


def folder(stored, index=0):
    return stored[0] / "runs" / stored[1]["run"][index]


def test_bins_of_a_cell_add_up_over_its_seeds(stored):
    table = traces.bins(*stored)
    assert list(table["cell"].unique()) == list(stored[1]["cell"].unique())
    assert len(table) == 2 * 15 and (table["runs"] == 3).all()
    files = [pd.read_csv(folder(stored, index) / "reliability.csv") for index in range(3)]
    first = table[table["cell"] == stored[1]["cell"][0]]
    for name in ("n", "confidence", "correct", "n_ts", "confidence_ts", "correct_ts"):
        assert first[name].tolist() == pytest.approx(sum(file[name] for file in files).tolist())
    assert first["lower"].tolist() == files[0]["lower"].tolist()
    assert first["n"].sum() == first["n_ts"].sum() == 1200


def test_runs_without_files_are_left_out_and_counted(stored):
    for name in ("reliability.csv", "predictions.npz", "history.csv"):
        (folder(stored) / name).unlink()
    cell = stored[1]["cell"][0]
    for table in (traces.bins(*stored), traces.epochs(*stored)):
        assert set(table.loc[table["cell"] == cell, "runs"]) == {2}
        assert set(table.loc[table["cell"] != cell, "runs"]) == {3}


def test_history_is_averaged_over_seeds(stored):
    table = traces.epochs(*stored)
    files = [pd.read_csv(folder(stored, index) / "history.csv") for index in range(3)]
    first = table[table["cell"] == stored[1]["cell"][0]]
    assert first["epoch"].tolist() == [1, 2, 3, 4, 5]
    for name in ("train_loss", "select_nll", "select_accuracy"):
        assert first[name].tolist() == pytest.approx((sum(file[name] for file in files) / 3).tolist())


def test_only_finished_runs_count(tmp_path, sweep, traces):
    records = sweep(alphas=[0.1], methods=["none"], seeds=range(2))
    traces(tmp_path, records)
    records[1]["status"] = "diverged"
    from lsbench.analysis.traces import epochs

    assert set(epochs(tmp_path, runs_table(records))["runs"]) == {1}


def test_nothing_stored_is_an_empty_table(tmp_path, sweep):
    runs = runs_table(sweep(seeds=[0]))
    assert traces.bins(tmp_path, runs).empty and traces.epochs(tmp_path, runs).empty
    assert list(traces.bins(tmp_path, runs).columns) == ["cell", "runs"]


@pytest.mark.parametrize("content", ["lower,upper\n0.1\n", "lower,upper\n0.1,x\n", "", "\xff"])
def test_a_damaged_file_is_named(stored, content):
    (folder(stored) / "history.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(StorageError, match=r"history\.csv.*delete"):
        traces.epochs(*stored)
