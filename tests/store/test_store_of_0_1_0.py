"""A store that lsbench 0.1.0 wrote (see lsbench-0.1.0/README.md): it is read, reported and trained on."""

import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lsbench.store import checkpoints, runs
from lsbench.training.stack import Stack

OLD = Path(__file__).parent / "lsbench-0.1.0"
REMOVED = (  # inference on a time, and a comparison that now is one of smoothing's
    *(
        "train_seconds_low",
        "train_seconds_high",
        "train_seconds_diff",
        "train_seconds_p",
        "test_ece_ts_vs_ts",
    ),
)
NOT_OUTCOMES = ["train_seconds", "lsbench", "git_sha", "torch", "finished"]


@pytest.fixture
def results(here):
    shutil.copytree(OLD, "results")
    return Path("results")


@pytest.fixture
def steps(monkeypatch):
    """A list that grows by one at each training step."""
    taken, train_step = [], Stack.train_step

    def counted(self, *arguments):
        taken.append(1)
        return train_step(self, *arguments)

    monkeypatch.setattr(Stack, "train_step", counted)
    return taken


def command(name):
    return shlex.split(json.loads((OLD / name / "sweep.json").read_text())["command"])[1:]


def test_each_record_is_read(results):
    records = [runs.read(results, path.parent.name) for path in runs.record_files(results)]
    assert [record["lsbench"] for record in records] == ["0.1.0"] * 4
    assert all(runs.is_final(record) for record in records)


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("table", ["runs.csv", "summary.csv"])
def test_a_report_has_the_numbers_of_0_1_0(table, results, call):
    (results / "old" / table).unlink()
    code, _, err = call("report", "old")
    assert code == 0, err
    before, now = pd.read_csv(OLD / "old" / table), pd.read_csv(results / "old" / table)
    before = before[[name for name in before if not name.startswith(REMOVED)]]
    assert [name for name in now if name in before] == list(before), "the same order"
    pd.testing.assert_frame_equal(now[list(before)], before, rtol=1e-12)


@pytest.mark.usefixtures("sketched")
def test_no_finished_run_is_trained_again(results, call, steps):
    files = {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")}
    code, _, err = call(*command("old"))
    assert code == 0 and "4 of 4 runs are stored already" in err
    assert not steps and files == {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")}


@pytest.mark.usefixtures("sketched")
def test_a_stopped_stack_is_resumed_at_its_step(results, call, steps):
    [stack] = checkpoints.saved_stacks(results)
    assert (len(stack.run_ids), stack.threads, stack.strategy) == (2, 2, "vmap")
    code, _, err = call(*command("stopped"))
    assert code == 0 and "after 3 steps" in err and len(steps) == 1, err
    assert not checkpoints.stacks_dir(results).exists()
    before, now = pd.read_csv(OLD / "not-stopped.csv"), pd.read_csv(results / "stopped" / "runs.csv")
    outcomes = [name for name in before if name not in NOT_OUTCOMES]
    # Another processor or torch rounds differently
    pd.testing.assert_frame_equal(now[outcomes], before[outcomes], rtol=1e-4, atol=1e-6)
