"""Which MLflow store is used, as the environment says, and whether any is."""

import os
import re
from pathlib import Path

from digitsum.errors import InputError
from digitsum.places import repository_root

PORT = 5000  # where `make ui` serves an embedded store
SWITCH = "DIGITSUM_TRACKING"  # "off" records nothing


def switched_off() -> bool:
    """
    Raises:
        InputError: if the switch is neither on nor off.
    """
    word = os.environ.get(SWITCH, "on").lower()
    if word not in ("on", "off"):
        raise InputError(f"{SWITCH}={word}: must be on or off")
    return word == "off"


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{repository_root() / 'mlflow.db'}"


def without_password(text: str) -> str:
    """A text in which addresses keep the user's name and lose the password."""
    return re.sub(r"://([^/@:\s]*):[^/@\s]*@", r"://\1:***@", text)


def embedded_store(uri: str) -> Path | None:
    """The database file behind an address of SQLite; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None
