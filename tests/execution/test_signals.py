import os
import signal

import pytest

from lsbench.execution import signals
from lsbench.execution.signals import SignalGate, Terminated

BOTH = pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)


@pytest.fixture(autouse=True)
def gate():
    before = {number: signal.getsignal(number) for number in signals.STOPPING}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, which may run the tests, has it ignored
    gate = SignalGate()
    gate.install()
    yield gate
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_a_signal_ends_the_program_at_once(number, error):
    with pytest.raises(error):
        os.kill(os.getpid(), number)


@BOTH
def test_a_held_signal_is_pending_until_the_context_ends(gate, number, error, caplog):
    passed = []
    with pytest.raises(error), gate.hold():
        assert gate.pending() is None
        os.kill(os.getpid(), number)
        passed.append(type(gate.pending()))
    assert passed == [error] and caplog.messages == [
        "stopping after this step; saving what is trained so far"
    ]


@BOTH
def test_a_second_signal_acts_at_once(gate, number, error, monkeypatch):
    monkeypatch.setattr(signals, "SECONDS_APART", 0)
    passed = []
    with pytest.raises(error), gate.hold():
        os.kill(os.getpid(), signal.SIGTERM)
        passed.append(1)
        os.kill(os.getpid(), number)
        passed.append(2)
    assert passed == [1]


def test_sigterm_to_a_process_and_then_to_its_group_counts_once(gate):
    passed = []
    with pytest.raises(Terminated), gate.hold():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        passed.append(gate.pending())
    assert isinstance(passed[0], Terminated)


def test_a_worker_ignores_further_sigterms(gate, monkeypatch):
    monkeypatch.setattr(signals, "SECONDS_APART", 0)
    gate.install(only_first=True)
    with pytest.raises(Terminated), gate.hold():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)


def test_sighup_acts_as_sigterm_unless_it_is_ignored(gate):
    with pytest.raises(Terminated):
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    gate.install()
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_signal_is_forgotten_after_it_was_raised(gate):
    with pytest.raises(Terminated), gate.hold():
        os.kill(os.getpid(), signal.SIGTERM)
    with gate.hold():
        assert gate.pending() is None
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_waiting_signal_does_not_hide_an_error(gate):
    with pytest.raises(OSError, match="disk"), gate.hold():
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("disk")


def test_a_forked_process_does_not_hold_back_signals_for_its_parent(gate, forked):
    def in_process():
        gate.install(only_first=True)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Terminated:
            os._exit(7)

    with gate.hold():
        assert forked(in_process) == 7
