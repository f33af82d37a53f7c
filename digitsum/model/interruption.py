"""Training ends at a good moment when SIGTERM or SIGINT asks for it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether a signal has asked the process to end; `signal` is its number, or 0."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.signal:  # the second time
            raise SystemExit(128 + number)
        self.signal = number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within the block the first SIGTERM or SIGINT is only noted, and a second one ends the process at once."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
