"""What a user sees while work is under way: one bar on a terminal, plain lines in a pipe."""

import logging
import sys
import time
from typing import Self

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60


class ConsoleHandler(logging.Handler):
    """Log lines on stderr that do not tear the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class EpochBar:
    """Epochs of all runs, with the loss and the time left; where stderr is no terminal, a line a stack and
    one a minute."""

    def __init__(self, epochs: int) -> None:
        self._bar = tqdm(
            total=epochs, unit="epoch", disable=None, file=sys.stderr, dynamic_ncols=True, leave=False
        )
        self._done, self._said = 0, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.close()

    def describe(self, text: str) -> None:
        """Say which stack is being trained."""
        if self._bar.disable:
            log.info("training %s", text)
        else:
            self._bar.set_description(text)

    def advance(self, epochs: int, loss: float) -> None:
        """``epochs`` more are done, whose mean loss was ``loss``."""
        self._done += epochs
        self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        self._bar.update(epochs)
        if self._bar.disable and time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            log.info("%d of %d epochs, loss %.4f", self._done, self._bar.total, loss)
