"""Where studies are kept, and patience with it."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from digitsum.errors import InputError, one_line
from digitsum.places import STATE, repository_root
from digitsum.progress import say
from digitsum.tracking.rows.settings import without_password

T = TypeVar("T")

STORAGE = "OPTUNA_STORAGE"  # the variable of Optuna's own command line
FILE = STATE / "sweeps.db"
PATIENCE = 600.0  # seconds for which a storage may be away
PAUSE = 5.0
AWAY = (SQLAlchemyError, StorageInternalError)


def address() -> str:
    """The storage that the environment names, or a file beside the project's other state."""
    if uri := os.environ.get(STORAGE):
        return uri
    file = repository_root() / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    return URL.create("sqlite", database=str(file)).render_as_string()


def shown() -> str:
    return without_password(os.environ.get(STORAGE) or str(FILE))


def patiently(call: Callable[[], T], away: tuple[type[Exception], ...] = AWAY) -> T:
    """What a call returns that may raise one of `away` for a while, such as a call to the storage.

    Raises:
        InputError: if it does not answer for longer than PATIENCE.
    """
    until, announced = time.monotonic() + PATIENCE, False
    while True:
        try:
            return call()
        except away as error:
            reason = str(error) if isinstance(error, InputError) else f"{shown()}: does not answer ({reason_of(error)})"
            if time.monotonic() > until:
                raise InputError(f"{reason}. Nothing is lost; run the same command to resume") from error
            if not announced:
                say(f"sweep: {reason}. Trying again for {PATIENCE / 60:.0f} minutes")
            announced = True
            time.sleep(PAUSE)


def reason_of(error: Exception) -> str:
    return without_password(one_line(error))
