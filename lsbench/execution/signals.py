"""SIGINT, SIGTERM and SIGHUP: they end the program at once, but for work that asks to be ended between two
steps."""

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as KeyboardInterrupt is SIGINT: raised where the program stands, so that reports
    are written on the way out."""


class _Waiting:
    """The signal that came while work was `held`, if any."""

    held = False
    again = True
    number: int | None = None
    terminated = -math.inf  # when SIGTERM or SIGHUP came last


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# timeout(1) and service managers signal a process and then its whole group, which is one wish and not two.
SECONDS_APART = 1.0


def install(*, again: bool = True) -> None:
    """Take over the signals for this process; nohup(1) has SIGHUP ignored, and so it stays. Unless they may
    come ``again``, the first is the last that is followed."""
    _Waiting.again, _Waiting.terminated = again, -math.inf
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if number != signal.SIGINT:
        before, _Waiting.terminated = _Waiting.terminated, time.monotonic()
        if _Waiting.terminated - before < (SECONDS_APART if _Waiting.again else math.inf):
            return
    if not _Waiting.held or _Waiting.number is not None:  # a second one does not wait
        raise _exception(number)
    _Waiting.number = number
    log.warning("stopping: what is trained so far is being kept")


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


@contextmanager
def held() -> Iterator[None]:
    """Within, the first signal waits for `pending` to be asked, or for the end; a second one acts at once."""
    _Waiting.held, _Waiting.number = True, None
    try:
        yield
    finally:
        _Waiting.held = False
    if error := pending():
        raise error


def pending() -> BaseException | None:
    """What to raise for a signal that waits, once all is in order; else None."""
    return None if _Waiting.number is None else _exception(_Waiting.number)
