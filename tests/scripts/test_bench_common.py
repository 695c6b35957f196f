"""The files that scripts/bench_common.py writes."""

import csv
import json

import pytest


@pytest.fixture
def script(load):
    return load("bench_common")


def test_a_benchmark_is_a_table_with_its_goals_and_how_it_was_made(script, tmp_path, monkeypatch):
    sha = "0123456789abcdef-dirty"
    monkeypatch.setattr(script, "provenance", lambda: {"lsbench": "1.2", "git_sha": sha, "torch": "3.4"})
    monkeypatch.setattr(script.os, "getloadavg", lambda: (1.0, 2.0, 3.04))
    rows = [
        script.Row("quick", unit="s", goal=20, at_most=True, **script.spread([4.0, 2.0, 9.0])),
        script.Row("large", unit="MB", goal=500, at_most=True, **script.spread([600])),
    ]
    monkeypatch.setattr(script.sys, "argv", ["mine.py"])
    script.write(tmp_path, "mine", rows)
    text = (tmp_path / "mine.md").read_text()
    assert text.splitlines()[-2:] == [
        "| quick | 4 s [2, 9] | ≤ 20 | yes |",
        "| large | 600 MB | ≤ 500 | no |",
    ]
    assert text.startswith("`python mine.py`, ") and "torch 3.4, lsbench 1.2 at 0123456789-dirty." in text
    assert " cores (load 3.0), " in text
    assert json.loads((tmp_path / "mine.json").read_text())["git_sha"] == sha
    with (tmp_path / "mine.csv").open() as file:
        assert [row["median"] for row in csv.DictReader(file)] == ["4.0", "600"]
