import os
import signal

import pytest

from lsbench.execution import signals
from lsbench.execution.signals import Terminated

BOTH = pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)


@pytest.fixture(autouse=True)
def _installed():
    before = {number: signal.getsignal(number) for number in signals.STOPPING}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, which may run the tests, has it ignored
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_a_signal_ends_the_program_at_once(number, error):
    with pytest.raises(error):
        os.kill(os.getpid(), number)


@BOTH
def test_where_it_is_held_the_first_waits_to_be_asked_for(number, error, caplog):
    passed = []
    with pytest.raises(error), signals.held():
        assert signals.pending() is None
        os.kill(os.getpid(), number)
        passed.append(type(signals.pending()))
    assert passed == [error] and caplog.messages == ["stopping: what is trained so far is being kept"]


@BOTH
def test_the_second_does_not_wait(number, error, monkeypatch):
    monkeypatch.setattr(signals, "SECONDS_APART", 0)
    passed = []
    with pytest.raises(error), signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
        passed.append(1)
        os.kill(os.getpid(), number)
        passed.append(2)
    assert passed == [1]


def test_sigterm_to_a_process_and_then_to_its_group_is_one():
    passed = []
    with pytest.raises(Terminated), signals.held():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        passed.append(signals.pending())
    assert isinstance(passed[0], Terminated)


def test_a_worker_follows_the_first_alone(monkeypatch):
    monkeypatch.setattr(signals, "SECONDS_APART", 0)
    signals.install(again=False)
    with pytest.raises(Terminated), signals.held():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_closed_terminal_is_as_sigterm_unless_it_is_ignored():
    with pytest.raises(Terminated):
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)


def test_nothing_is_raised_where_nothing_came_and_nothing_stays():
    with pytest.raises(Terminated), signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
    with signals.held():
        assert signals.pending() is None
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_an_error_within_is_not_hidden_by_a_signal_that_waits():
    with pytest.raises(OSError, match="disk"), signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("disk")
