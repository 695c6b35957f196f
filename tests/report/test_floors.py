import math

import numpy as np
import pytest

from lsbench import runs
from lsbench.report.floors import filled
from lsbench.report.sweeps import stored
from lsbench.report.terminal import run_table
from lsbench.storage import to_json
from lsbench.terms import StorageError


def keep(results_dir, record):
    """Store an older record with a single prediction of odds 3 to 1, of 1.5 to 1 after scaling."""
    record["temperature"] = math.log(3) / math.log(1.5)
    folder = runs.run_dir(results_dir, record["run"])
    folder.mkdir(parents=True)
    logits = np.array([[math.log(3), 0]], dtype=np.float32)
    np.savez(folder / "predictions.npz", test_logits=logits, test_labels=np.zeros(1, dtype=np.int64))
    (folder / "result.json").write_bytes(to_json(record))
    runs.write_sweep(results_dir, runs.Sweep("s", "c", (record["run"],)))
    return folder


def test_the_floors_of_an_older_run_come_from_its_predictions(tmp_path, record):
    keep(tmp_path, record())
    [found] = stored(tmp_path, "s").records
    # a single row of confidence c is right with probability c: E|S - c| = 2c(1 - c)
    assert found["test_ece_floor"] == pytest.approx(2 * 0.75 * 0.25, abs=1e-6)
    assert found["test_ece_floor_ts"] == pytest.approx(2 * 0.6 * 0.4, abs=1e-6)


def test_a_record_that_has_them_or_cannot_have_them_stays_as_it_is(tmp_path, record):
    own = record() | {"test_ece_floor": 0.01, "test_ece_floor_ts": 0.02}
    folder = keep(tmp_path, own)
    assert filled(folder, own) is own
    for other in (record(status="diverged"), record(seed=1)):
        assert filled(tmp_path / "nowhere", other) is other
    (folder / "predictions.npz").write_bytes(b"cut off")
    assert filled(folder, own) is own
    with pytest.raises(StorageError, match=r"predictions\.npz"):
        filled(folder, record())


def test_the_table_of_a_run_has_its_floors_beside_its_ece(tmp_path, record):
    lines = run_table(own := record(), keep(tmp_path, own)).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("ECE floor"))
    assert lines[place].split()[2:] == ["37.50%", "48.00%"] and lines[place - 1].startswith("ECE  ")
    assert "floor" not in run_table(own, tmp_path / "nowhere")
