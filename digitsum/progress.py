"""How far a long loop is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

SECONDS_BEFORE_BAR = 2.0
SECONDS_BETWEEN_UPDATES = 0.5
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts `total` items of a `unit`, of which `done` were done before."""

    def __init__(self, title: str, total: int, unit: str, done: int = 0):
        self.title, self.total, self.unit = title, total, unit
        self._done, self._before, self._unseen = done, done, 0
        self._start = self._last = time.monotonic()
        self._bar = (
            tqdm(
                total=total,
                initial=done,
                desc=title,
                unit=f" {unit}",
                unit_scale=True,
                leave=False,
                mininterval=0,
                miniters=0,
                delay=SECONDS_BEFORE_BAR,
            )
            if sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int, figures: Callable[[], str] = str) -> None:
        """`figures` says how it goes; it is called only when something is shown, so it may be slow."""
        self._done += count
        self._unseen += count
        now = time.monotonic()
        if self._bar is not None:
            if now - self._last >= SECONDS_BETWEEN_UPDATES or self._done == self.total:
                self._bar.set_postfix_str(figures(), refresh=False)
                self._bar.update(self._unseen)
                self._last, self._unseen = now, 0
        elif now - self._last >= SECONDS_BETWEEN_LINES and self._done < self.total:
            rate = (self._done - self._before) / (now - self._start)
            left = (self.total - self._done) / rate
            share = self._done / self.total
            say(f"{self.title}: {share:4.0%}  {figures()}  {rate:,.0f} {self.unit}/s  {left:.0f} s left")
            self._last = now


def say(line: str) -> None:
    """Print a line that stays, above all bars that are shown."""
    tqdm.write(line)
    sys.stdout.flush()
