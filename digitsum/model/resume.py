"""Training that can be killed: its whole state on disk, taken up again by the same command and no other."""

import hashlib
import json
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from digitsum.errors import InputError
from digitsum.files import whole_file

SHARE_OF_TIME = 0.02  # that saving may take
DAYS_KEPT = 14


class Keeper:
    """Keeps the latest state of one training, the one that `belongs_to` these data, params, code and machine."""

    def __init__(self, folder: Path, belongs_to: Mapping[str, Any]):
        key = hashlib.sha256(json.dumps(belongs_to, sort_keys=True).encode()).hexdigest()
        self.path = folder / f"{key[:32]}.pt"
        self._cost, self._saved_at = 0.1, time.monotonic()

    def due(self) -> bool:
        """Whether so long has passed that saving again costs little."""
        return time.monotonic() - self._saved_at > self._cost / SHARE_OF_TIME

    def save(self, state: Mapping[str, Any]) -> bool:
        """Whether it is kept; if not, what was kept before still is."""
        start = time.monotonic()
        try:
            with whole_file(self.path) as temporary:
                torch.save({**state, "process": chance()}, temporary)
            return True
        # as where the disk is full: no reason to lose hours of training
        except (OSError, RuntimeError, InputError) as error:
            print(f"train: the state cannot be kept ({' '.join(str(error).split())[:120]})", flush=True)
            return False
        finally:
            self._saved_at = time.monotonic()
            self._cost = max(0.1, self._saved_at - start)

    def load(self) -> dict[str, Any] | None:
        """The state that was saved, and the process's random numbers as they were; None where there is none."""
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            restore_chance(state.pop("process"))
        except FileNotFoundError:
            return None
        except Exception:  # on other bytes than it expects, torch.load raises nearly anything
            print(f"train: {self.path} is damaged; starting anew", flush=True)
            return None
        return state

    def forget(self) -> None:
        """Removes this state, and those of trainings that nobody went on with, as far as they let themselves."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        for other in self.path.parent.glob("*"):  # what a kill left half-written, too
            with suppress(OSError):  # another training has just removed it
                if time.time() - other.stat().st_mtime > DAYS_KEPT * 24 * 3600:
                    other.unlink()


def chance() -> dict[str, Any]:
    """The states of all random number generators of the process, as plain values and tensors."""
    numpy = np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    return {
        "python": random.getstate(),
        "numpy": numpy | {"state": {"key": numpy["state"]["key"].tolist(), "pos": numpy["state"]["pos"]}},
        "torch": torch.get_rng_state(),
        # of the device of this process alone: another time there may be more of them, or fewer
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # type: ignore[no-untyped-call]
    }


def restore_chance(state: Mapping[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])


class Stop:
    """Whether, and by which signal, the process was asked to end."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.signal:  # asked twice
            raise SystemExit(128 + number)
        self.signal = number


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within the block SIGTERM and SIGINT ask for an end at the next good moment; a second one ends at once."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
