import logging
import sys

from lsbench import progress
from lsbench.progress import ConsoleHandler, EpochBar


def test_a_pipe_gets_a_line_a_stack_and_one_a_minute(capsys, caplog, monkeypatch):
    clock = iter([0.0, 10.0, 61.0, 61.0, 70.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="lsbench"), EpochBar(40) as bar:
        bar.describe("4 x mlp")
        for loss in (0.5, 0.25, 0.125):
            bar.advance(4, loss)
    assert caplog.messages == ["training 4 x mlp", "8 of 40 epochs, loss 0.2500"]
    out, err = capsys.readouterr()
    assert out == "" and "\r" not in err and "%|" not in err, "no bar"


def test_a_terminal_gets_a_bar_with_loss_and_time_left(capsys, caplog, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with caplog.at_level(logging.INFO, logger="lsbench"), EpochBar(40) as bar:
        bar.describe("4 x mlp")
        bar.advance(20, 0.5)
        bar._bar.refresh()
    out, err = capsys.readouterr()
    assert out == "" and "4 x mlp:  50%" in err and "20/40" in err and "loss=0.5000" in err and "<" in err
    assert not caplog.messages


def test_log_lines_go_to_stderr(capsys):
    ConsoleHandler().handle(logging.makeLogRecord({"msg": "a line"}))
    assert capsys.readouterr() == ("", "a line\n")
