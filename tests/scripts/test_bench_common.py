"""What scripts/bench_common.py writes of a benchmark."""

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
        script.Row("quick", unit="s", goal=20, least=False, **script.spread([4.0, 2.0, 9.0])),
        script.Row("large", unit="MB", goal=500, least=False, **script.spread([600])),
    ]
    script.write(str(tmp_path), "mine", rows, "python mine.py")
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
