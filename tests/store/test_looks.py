"""Looks: the numbers of seeds at which a sweep was reported."""

import json

import pytest

from lsbench.report.looks import caution
from lsbench.store.protocols import Protocol, write_protocol
from lsbench.store.sweeps import Sweep, combine, note_look, read_sweep, write_sweep

from ..records import make_results, make_sweep


def names(seeds, alpha="a0.1"):
    return tuple(f"d-m-none-{alpha}-s{seed}-00000000" for seed in range(seeds))


def looked(tmp_path, runs, seeds):
    write_sweep(tmp_path, Sweep("mine", "lsbench compare", runs))
    note_look(tmp_path, read_sweep(tmp_path, "mine"), seeds)
    return read_sweep(tmp_path, "mine").looks


def test_each_growth_of_the_seeds_is_noted_once(tmp_path):
    assert looked(tmp_path, names(5), 5) == (5,)
    assert looked(tmp_path, names(5), 5) == (5,)  # reported again
    assert looked(tmp_path, names(10), 10) == (5, 10)
    content = (tmp_path / "mine" / "sweep.json").read_bytes()
    assert looked(tmp_path, names(10), 10) == (5, 10)
    assert (tmp_path / "mine" / "sweep.json").read_bytes() == content


def test_a_command_that_lists_its_runs_step_by_step_keeps_the_looks(tmp_path):
    looked(tmp_path, names(10), 10)
    write_sweep(tmp_path, Sweep("mine", "lsbench compare", names(4)))
    assert read_sweep(tmp_path, "mine").looks == (10,)


def test_another_grid_begins_with_no_look(tmp_path):
    looked(tmp_path, names(5), 5)
    assert looked(tmp_path, names(10, "a0.2"), 10) == (10,)


def test_a_combined_report_takes_over_the_looks_at_its_parts(tmp_path):
    looked(tmp_path, names(5), 5)
    looked(tmp_path, names(8), 8)
    write_sweep(tmp_path, Sweep("other", "lsbench compare", names(10, "a0.2"), looks=(10,)))
    plan = Protocol(("test_accuracy",), (4, 12), (0.01, 0.04), 12, 0.1, ("c0", "c1"))
    write_protocol(tmp_path / "decided", plan, restart=False)
    write_sweep(tmp_path, Sweep("decided", "lsbench decide", names(4, "a0.3")))
    combine(tmp_path, ["mine", "other", "decided"], "both", "lsbench report mine other decided name=both")
    assert read_sweep(tmp_path, "both").looks == (4, 5, 8, 10, 12)


def test_sweeps_of_earlier_versions_have_no_looks(tmp_path):
    (tmp_path / "mine").mkdir()
    content = {"name": "mine", "command": "lsbench compare", "runs": list(names(3)), "claims": {}}
    (tmp_path / "mine" / "sweep.json").write_text(json.dumps(content))
    assert read_sweep(tmp_path, "mine").looks == ()


@pytest.fixture
def grown():
    records = make_sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(10))
    results = make_results(records)
    object.__setattr__(results, "sweep", Sweep("mine", "lsbench compare", (), looks=(5, 10)))
    return results


def test_a_report_whose_seeds_grew_says_so_beside_every_p(grown):
    from lsbench.report.comparison import comparison
    from lsbench.report.tables import full_table, sentence

    assert grown.looks == (5, 10)
    text = caution(grown)
    assert "with 5 and then 10 seeds" in text and "lsbench decide" in text
    [part] = grown.parts
    assert all(judged.looks == 2 for judged in part.verdicts)
    assert all("2 looks" in sentence(judged) for judged in part.verdicts)
    header, rows = full_table(part.verdicts)
    columns = [header.index(name) for name in ("p (Holm)", "p (TOST, Holm)")]
    assert all(row[index].endswith(", 2 looks") for row in rows for index in columns)
    header, rows = comparison(part)
    assert rows[1][header.index("p (Holm)")].endswith(", 2 looks")


def test_one_look_needs_no_caution():
    records = make_sweep(methods=["none"], alphas=[0.0, 0.1], seeds=range(10))
    assert caution(make_results(records)) == ""
