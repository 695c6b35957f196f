"""SIGINT, SIGTERM and SIGHUP: they end the program at once, or between two steps while stacks train."""

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# timeout(1) and service managers signal a process and then its whole group: two signals for one request.
SECONDS_APART = 1.0


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as KeyboardInterrupt is for SIGINT: raised in the main thread, so that reports are
    still written."""


class SignalGate:
    """The process's signal handlers, and the signal that waits while they are held back."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None
        self._only_first = False
        self._terminated_at = -math.inf  # the time of the last SIGTERM or SIGHUP

    def install(self, *, only_first: bool = False) -> None:
        """Handle the signals of this process; SIGHUP stays ignored under nohup(1). With ``only_first``,
        further SIGTERM and SIGHUP are ignored. A forked process drops what its parent holds back."""
        self._held, self._waiting = False, None
        self._only_first, self._terminated_at = only_first, -math.inf
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            before, self._terminated_at = self._terminated_at, time.monotonic()
            if self._terminated_at - before < (math.inf if self._only_first else SECONDS_APART):
                return
        if not self._held or self._waiting is not None:  # a second signal acts at once
            raise _exception(number)
        self._waiting = number
        log.warning("stopping after this step; saving what is trained so far")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Within the context, let the first signal wait until `pending` is asked or the context ends."""
        self._held, self._waiting = True, None
        try:
            yield
        finally:
            self._held = False
        if error := self.pending():
            raise error

    def pending(self) -> BaseException | None:
        """The exception to raise for the signal that waits, if any, once everything is saved."""
        return None if self._waiting is None else _exception(self._waiting)


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


GATE = SignalGate()  # signal handlers belong to the process, so there is one
