"""Which MLflow store is used, as the environment says, and whether any is."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

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
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    file = str(repository_root() / "mlflow.db").replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{file}"


def without_password(text: str) -> str:
    """A text in which addresses keep the user's name and lose the password."""
    return re.sub(r"://([^/@:\s]*):[^/@\s]*@", r"://\1:***@", text)


def embedded_store(uri: str) -> Path | None:
    """The database file behind an address of SQLite; None for any other store."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0])).resolve()
