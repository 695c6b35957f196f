"""Progress of a sweep on stderr: one bar on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self, TypeVar

from tqdm import tqdm

from lsbench.formatting import count

log = logging.getLogger(__name__)

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 60


class ConsoleHandler(logging.Handler):
    """Log lines on stderr that do not break the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:  # None if it was closed before Python started
            tqdm.write(self.format(record), file=sys.stderr)


class SweepProgress:
    """Progress of a sweep: runs stored and failed, epochs of all members, their rate and the time left.

    If stderr is not a terminal, it is a log line for each stack that is stored, and otherwise one a minute.
    """

    def __init__(self, runs: int, epochs: int) -> None:
        self.runs, self._epochs = runs, epochs
        self._stored, self._failed, self._loss = 0, 0, ""
        self._bar = tqdm(
            total=epochs, unit="epoch", disable=_no_bar(), file=sys.stderr, dynamic_ncols=True, leave=False
        )
        # a disabled bar counts nothing, so the numbers are counted here
        self._done = self._trained = 0  # epochs in all, and those that this command trained
        self._epochs_of: Counter[str] = Counter()  # epochs counted of each stack that is not stored yet
        self._started = self._logged = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.close()

    def begin(self, text: str) -> None:
        """Show which stack is being trained."""
        if self._bar.disable:
            log.info("training %s", text)
        else:
            self._bar.set_description(text)

    def resume(self, stack: str, epochs: int) -> None:
        """Count ``epochs`` as done without training (resumed, done elsewhere, or failed)."""
        if not self._bar.disable:
            self._bar.initial += epochs  # left out of the bar's rate
        self._count(stack, epochs)

    def advance(self, stack: str, epochs: int, loss: float) -> None:
        """Count ``epochs`` more of ``stack`` as trained, with their mean ``loss``."""
        self._trained += epochs
        self._loss = f", loss {loss:.4f}"
        self._bar.set_postfix_str(self._runs() + self._loss, refresh=False)
        self._count(stack, epochs)
        if time.monotonic() - self._logged > SECONDS_BETWEEN_LINES:
            self._log()

    def discard(self, stack: str) -> None:
        """Take back what was counted of ``stack``, which is trained again."""
        self._count(stack, -self._epochs_of[stack])

    def finish(self, stack: str, epochs: int, runs: int, failed: int) -> None:
        """Count the ``runs`` of ``stack`` as stored, ``failed`` of them as failed or diverged, and all of its
        ``epochs`` as done."""
        self.resume(stack, epochs - self._epochs_of[stack])
        self._stored, self._failed = self._stored + runs, self._failed + failed
        self._bar.set_postfix_str(self._runs() + self._loss)
        self._log()

    def _count(self, stack: str, epochs: int) -> None:
        self._done += epochs
        self._epochs_of[stack] += epochs
        self._bar.update(epochs)

    def _runs(self) -> str:
        return f"{self._stored}/{self.runs} runs, {self._failed} failed"

    def _log(self) -> None:
        if not self._bar.disable or self.runs == 1:
            return
        self._logged = time.monotonic()
        rate = self._trained / max(self._logged - self._started, 1e-9)
        left = f", {tqdm.format_interval((self._epochs - self._done) / rate)} left" if rate else ""
        log.info("%s%s, %.3g epochs/s%s", self._runs(), self._loss, rate, left)


def track(items: Sequence[Item], thing: str) -> Iterator[Item]:
    """Iterate over ``items`` with a bar on a terminal, or else with a line a minute and one at the end."""
    bar = tqdm(items, unit=thing, disable=_no_bar(), file=sys.stderr, dynamic_ncols=True, leave=False)
    printed = time.monotonic()
    for done, item in enumerate(bar, 1):
        yield item
        due = done == len(items) or time.monotonic() - printed > SECONDS_BETWEEN_LINES
        if bar.disable and sys.stderr and due:
            printed = time.monotonic()
            print(f"{done} of {count(len(items), thing)}", file=sys.stderr)


def _no_bar() -> bool | None:
    """tqdm's ``disable``: None disables the bar if stderr is not a terminal; True if it is closed."""
    return None if sys.stderr is not None else True
