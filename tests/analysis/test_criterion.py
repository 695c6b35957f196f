"""The number that chooses: NLL on select after scaling, or as trained where a record lacks the former."""

import math

import pytest

from lsbench.analysis.criterion import SCALED, TRAINED, criterion, objective
from lsbench.analysis.tables import runs_table


def test_nll_after_scaling_chooses(sweep):
    assert criterion(runs_table(sweep())) is SCALED
    assert SCALED.column == "select_nll_ts"


def test_a_single_older_record_makes_all_be_chosen_by_nll_as_trained(sweep):
    records = sweep()
    del records[7]["select_nll_ts"]
    assert criterion(runs_table(records)) is TRAINED
    assert TRAINED.column == "select_nll"
    for each in records:
        each.pop("select_nll_ts", None)
    assert criterion(runs_table(records)) is TRAINED


def test_runs_that_did_not_finish_have_no_say(sweep, record):
    records = [*sweep(), record(seed=9, status="diverged"), record(seed=10, status="failed")]
    assert criterion(runs_table(records)) is SCALED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"status": "done", "select_nll": 0.5, "select_nll_ts": 0.25}, 0.25),
        ({"status": "done", "select_nll": 0.5}, 0.5),
        ({"status": "diverged", "select_nll": None, "select_nll_ts": None}, math.inf),
    ],
)
def test_a_searching_sweeper_gets_the_same_number(values, expected):
    assert objective(values) == expected
