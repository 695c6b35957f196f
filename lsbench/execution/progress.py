"""What a user sees while work is under way: one bar on a terminal, plain lines in a pipe."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 60


class ConsoleHandler(logging.Handler):
    """Log lines on stderr that do not tear the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:  # closed from the start
            tqdm.write(self.format(record), file=sys.stderr)


def count(number: int, thing: str) -> str:
    """1 stack, 2 stacks, 3 processes."""
    plural = "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural if number != 1 else ''}"


class SweepProgress:
    """How far a sweep is: runs stored and failed, the epochs of all its members, their rate, the time left.

    Where stderr is no terminal, a line for each stack that is stored and else one a minute.
    """

    def __init__(self, runs: int, epochs: int) -> None:
        self.runs, self._stored, self._failed, self._loss = runs, 0, 0, ""
        silent = None if sys.stderr is not None else True  # None: where it is no terminal
        self._bar = tqdm(
            total=epochs, unit="epoch", disable=silent, file=sys.stderr, dynamic_ncols=True, leave=False
        )
        # a bar that is off counts nothing, so the numbers are kept here
        self._epochs, self._done, self._new = epochs, 0, 0
        self._of: Counter[str] = Counter()  # epochs counted of each stack that is not stored yet
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.close()

    def begin(self, text: str) -> None:
        """Say which stack is being trained."""
        if self._bar.disable:
            log.info("training %s", text)
        else:
            self._bar.set_description(text)

    def resume(self, stack: str, epochs: int) -> None:
        """``epochs`` of ``stack`` need no training: an earlier command did them, another, or nobody will."""
        if not self._bar.disable:
            self._bar.initial += epochs  # so that they do not count in the rate
        self._count(stack, epochs)

    def advance(self, stack: str, epochs: int, loss: float) -> None:
        """``epochs`` more of ``stack`` are done, whose mean loss was ``loss``."""
        self._new += epochs
        self._loss = f", loss {loss:.4f}"
        self._bar.set_postfix_str(self._runs() + self._loss, refresh=False)
        self._count(stack, epochs)
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say()

    def discard(self, stack: str) -> None:
        """What was counted of ``stack`` is to be done again."""
        self._count(stack, -self._of[stack])

    def finish(self, stack: str, epochs: int, runs: int, failed: int) -> None:
        """The ``runs`` of ``stack`` are stored, of which ``failed`` failed or diverged; it had ``epochs``."""
        self.resume(stack, epochs - self._of[stack])
        self._stored, self._failed = self._stored + runs, self._failed + failed
        self._bar.set_postfix_str(self._runs() + self._loss)
        self._say()

    def _count(self, stack: str, epochs: int) -> None:
        self._done += epochs
        self._of[stack] += epochs
        self._bar.update(epochs)

    def _runs(self) -> str:
        return f"{self._stored}/{self.runs} runs, {self._failed} failed"

    def _say(self) -> None:
        if not self._bar.disable or self.runs == 1:
            return
        self._said = time.monotonic()
        rate = self._new / max(self._said - self._began, 1e-9)
        left = f", {tqdm.format_interval((self._epochs - self._done) / rate)} left" if rate else ""
        log.info("%s%s, %.3g epochs/s%s", self._runs(), self._loss, rate, left)


def track(items: Sequence[Item], thing: str) -> Iterator[Item]:
    """``items`` one by one, with a bar on a terminal; in a pipe a line a minute and one at the end."""
    silent = None if sys.stderr is not None else True  # None: where it is no terminal
    bar = tqdm(items, unit=thing, disable=silent, file=sys.stderr, dynamic_ncols=True, leave=False)
    said = time.monotonic()
    for done, item in enumerate(bar, 1):
        yield item
        if (
            bar.disable
            and sys.stderr
            and (done == len(items) or time.monotonic() - said > SECONDS_BETWEEN_LINES)
        ):
            said = time.monotonic()
            print(f"{done} of {count(len(items), thing)}", file=sys.stderr)
