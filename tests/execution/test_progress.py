import logging
import sys

import pytest

from lsbench.execution.progress import ConsoleHandler, SweepProgress, track


@pytest.fixture
def clock(monkeypatch):
    """The time that the progress is measured with, in seconds; a test moves it."""
    now = [0.0]
    monkeypatch.setattr("lsbench.execution.progress.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(caplog):
    """The messages logged so far."""
    caplog.set_level(logging.INFO, logger="lsbench")
    return lambda: caplog.messages


def test_a_pipe_gets_a_line_per_stack_and_per_minute(capsys, lines, clock):
    with SweepProgress(8, 40) as progress:
        progress.begin("4 x mlp")
        for clock[0], loss in ((10.0, 0.5), (61.0, 0.25), (62.0, 0.125)):
            progress.advance("a", 4, loss)
        clock[0] = 80.0
        progress.finish("a", 12, 4, 1)
    assert lines() == [
        "training 4 x mlp",
        "0/8 runs, 0 failed, loss 0.2500, 0.131 epochs/s, 04:04 left",
        "4/8 runs, 1 failed, loss 0.1250, 0.15 epochs/s, 03:06 left",
    ]
    out, err = capsys.readouterr()
    assert out == "" and "\r" not in err and "%|" not in err, "no bar"


def test_epochs_of_an_earlier_command_do_not_count_in_the_rate(lines, clock):
    with SweepProgress(2, 40) as progress:
        progress.resume("a", 20)
        progress.advance("a", 10, 0.5)
        clock[0] = 10.0
        progress.finish("a", 30, 1, 0)
    assert lines() == ["1/2 runs, 0 failed, loss 0.5000, 1 epochs/s, 00:10 left"]


def test_a_single_run_gets_no_progress_line(lines, clock):
    with SweepProgress(1, 2) as progress:
        progress.finish("a", 2, 1, 0)
    assert not lines()


def test_no_time_left_is_shown_before_the_first_epoch(lines, clock):
    with SweepProgress(2, 2) as progress:
        progress.finish("a", 1, 1, 1)
    assert lines() == ["1/2 runs, 1 failed, 0 epochs/s"]


def test_discarded_epochs_are_taken_back_and_early_ends_count_in_full(lines, clock):
    with SweepProgress(4, 40) as progress:
        progress.advance("a", 10, 0.5)
        progress.discard("a")
        for half in ("b", "c"):
            progress.advance(half, 5, 0.5)
        clock[0] = 10.0
        progress.finish("b", 10, 1, 0)
        progress.finish("c", 10, 1, 1)  # diverged half-way
        progress.advance("d", 10, 0.5)
        progress.finish("d", 10, 1, 0)
        progress.advance("e", 10, 0.5)
        progress.finish("e", 10, 1, 0)
    assert lines()[0].endswith("2 epochs/s, 00:12 left") and lines()[-1].endswith("00:00 left")


def test_a_terminal_gets_a_bar_with_runs_loss_and_time_left(capsys, lines, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with SweepProgress(8, 40) as progress:
        progress.begin("4 x mlp")
        progress.resume("a", 8)
        progress.advance("a", 12, 0.5)
        progress.finish("a", 20, 4, 1)
        progress._bar.refresh()
    out, err = capsys.readouterr()
    assert out == "" and "4 x mlp:  50%" in err and "20/40" in err and "<" in err
    assert "4/8 runs, 1 failed, loss 0.5000" in err and not lines()


def test_log_lines_go_to_stderr(capsys):
    ConsoleHandler().handle(logging.makeLogRecord({"msg": "a line"}))
    assert capsys.readouterr() == ("", "a line\n")


def test_track_prints_a_line_per_minute_and_one_at_the_end_to_a_pipe(capsys, clock):
    seen = []
    for item in track([1, 2, 3, 4], "probe"):
        seen.append(item)
        clock[0] += 40
    assert seen == [1, 2, 3, 4]
    assert capsys.readouterr().err.splitlines() == ["2 of 4 probes", "4 of 4 probes"]


def test_track_works_with_a_closed_stderr(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(track([1, 2], "probe")) == [1, 2]
