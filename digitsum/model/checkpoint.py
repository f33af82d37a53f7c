"""Checkpoints: the whole state of a training on disk, which the same command resumes from, and no other command."""

import hashlib
import json
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digitsum.errors import InputError, one_line
from digitsum.files import clear_leftovers, whole_file
from digitsum.progress import say

SHARE_OF_TIME = 0.02  # that saving may take
LEAST_SECONDS = 0.1  # that saving is taken to cost, so that quick trainings do not save at every step
DAYS_KEPT = 14


class Checkpoint:
    """The latest state of one training: the one with these data, params, code and machine."""

    def __init__(self, folder: Path, belongs_to: Mapping[str, Any]):
        """
        Args:
            belongs_to: what a training must share to resume from this checkpoint, as JSON can hold it.
        """
        key = hashlib.sha256(json.dumps(belongs_to, sort_keys=True).encode()).hexdigest()
        self.path = folder / f"{key[:32]}.pt"
        self._seconds, self._saved_at = LEAST_SECONDS, time.monotonic()

    def due(self) -> bool:
        """Whether enough time has passed that saving again costs little of it."""
        return time.monotonic() - self._saved_at > self._seconds / SHARE_OF_TIME

    def save(self, state: Mapping[str, Any]) -> bool:
        """Save the state, and those of the process's random number generators.

        A failure ends no training, for it may be hours old: it prints a line, returns False and keeps the last state.
        """
        start = time.monotonic()
        try:
            with whole_file(self.path) as temporary:
                torch.save({**state, "process": rng_states()}, temporary)
            return True
        except (OSError, RuntimeError, InputError) as error:  # for example because the disk is full
            say(f"train: cannot save a checkpoint ({one_line(error, 120)})")
            return False
        finally:
            self._saved_at = time.monotonic()
            self._seconds = max(LEAST_SECONDS, self._saved_at - start)

    def load(self) -> dict[str, Any] | None:
        """The saved state, after restoring the process's random number generators; None if there is none."""
        before = rng_states()
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            restore_rng_states(state.pop("process"))
        except FileNotFoundError:
            return None
        except Exception:  # on other bytes than it expects, torch.load raises nearly anything
            restore_rng_states(before)
            print(f"train: {self.path} is damaged; starting from the first step", flush=True)
            return None
        return state

    def remove(self) -> None:
        """Remove this checkpoint and all in its folder that are older than DAYS_KEPT, where that is permitted."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        clear_leftovers(self.path)
        for other in self.path.parent.glob("*"):  # half-written files of killed processes, too
            with suppress(OSError):  # another training may have just removed it
                if time.time() - other.stat().st_mtime > DAYS_KEPT * 24 * 3600:
                    other.unlink()


def rng_states() -> dict[str, Any]:
    """The states of all random number generators of the process, as plain values and tensors."""
    numpy = np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    return {
        "python": random.getstate(),
        "numpy": numpy | {"state": {"key": numpy["state"]["key"].tolist(), "pos": numpy["state"]["pos"]}},
        "torch": torch.get_rng_state(),
        # of this process's device alone: the machine that resumes may have more devices, or fewer
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # type: ignore[no-untyped-call]
    }


def restore_rng_states(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])
