"""SIGINT and SIGTERM: they end the program at once, but for work that asks to be ended between two steps."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: raised where the program stands, so that reports are written
    on the way out."""


class _Waiting:
    """The signal that came while work was `held`, if any."""

    held = False
    number: int | None = None


def install() -> None:
    """Take over both signals for this process."""
    signal.signal(signal.SIGINT, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
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
