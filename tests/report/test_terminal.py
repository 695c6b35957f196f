import shlex

import pytest

from lsbench.report.answer import sentences
from lsbench.report.terminal import next_command, terminal_table

from ..records import make_results

METHODS = ("none", "dropout", "augment")


def test_what_failed_or_is_missing_asks_for_the_same_again(sweep):
    records = sweep(seeds=range(3))
    records[0]["status"] = "failed"
    command = "lsbench train -m alpha=0,0.1"
    assert next_command(command, records, len(records)).startswith(f"{command}   # trains the 1 ")
    assert next_command(command, records, len(records) + 2).startswith(f"{command}   # trains the 3 ")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("lsbench compare seed=0,1 'name=a b'", ["decide"]),
        (
            "lsbench train -m data=mnist alpha=0,0.1 'seed=range(4)' lr=0.05",
            ["decide", "data=mnist", "lr=0.05"],
        ),
        ("lsbench train -m model.hidden=[8,8] method=none,dropout", ["decide", "model.hidden=[8,8]"]),
    ],
)
def test_a_sweep_that_is_done_offers_a_decision_on_the_same_data_and_model(command, words, sweep):
    records = sweep(seeds=range(2))
    following = next_command(command, records, len(records))
    assert shlex.split(following, comments=True) == ["lsbench", *words]
    assert "accounts for its looks" in following and "seed=" not in following


def test_more_seeds_are_not_advised_where_runs_diverged_or_nothing_is_compared(sweep):
    records = sweep(seeds=range(2))
    for command in ("lsbench train -m hydra/sweeper=optuna", "lsbench claims", "lsbench decide", ""):
        assert next_command(command, records, len(records)) == ""
    both = records + sweep(seeds=range(2), data="cifar10")
    assert next_command("lsbench compare data=mnist5k,cifar10", both, len(both)) == ""
    records[0]["status"] = "diverged"  # it would diverge again
    assert next_command("lsbench compare", records, len(records)) == ""


def test_terminal_table_fits_and_names_every_cell(sweep, record):
    records = [*sweep(label_noise=0.2), *sweep(), record("none", 0.1, 9, status="failed")]
    text = terminal_table(make_results(records).parts)
    assert max(map(len, text.splitlines())) <= 100
    assert len([line for line in text.splitlines() if line.startswith(METHODS) and "  " in line]) == 30
    assert "label_noise" in text


@pytest.mark.parametrize(
    ("columns", "first", "last"), [(40, 3, 3), (60, 4, 6), (80, 5, 9), (100, 6, 12), (220, 16, 16)]
)
def test_the_output_is_as_wide_as_the_terminal(columns, first, last, sweep, monkeypatch):
    """``first`` to ``last``: the number of columns of the table."""
    monkeypatch.setenv("COLUMNS", str(columns))
    records = sweep()
    for item in records:
        item |= {"test_ece_floor": 0.0123, "test_ece_floor_ts": 0.0045}
    text = terminal_table(make_results(records).parts)
    assert max(map(len, text.splitlines())) <= columns
    [header] = [line for line in text.splitlines() if line.startswith("method ")]
    titles = [title for title in header.split("  ") if title.strip()]
    assert first <= len(titles) <= last and "verdict" in header


def test_the_output_begins_with_the_answer_and_marks_what_is_chosen(sweep):
    [part] = make_results(sweep()).parts
    lines = terminal_table([part]).splitlines()
    assert lines[0] == part.title
    assert " ".join(lines[2:]).startswith(" ".join(sentences(part))[:80])
    chosen = [line.split()[0] for line in lines if line[:7].strip() and "*  " in line and line[0] != "*"]
    assert sorted(chosen) == sorted(choice.row["method"] for choice in part.choices)
