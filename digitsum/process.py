"""The start and the end of a process that imports large libraries, each of which a person waits for."""

import atexit
import gc
import os
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

NEEDED = ("numpy", "pydantic", "torch", "yaml")  # of the packages in requirements.lock


def require_environment() -> None:
    """
    Raises:
        SystemExit: if this Python is not the one of the environment that has the project's packages.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        make = "" if Path(".venv/ready").exists() else "make env, then "
        sys.exit(f"error: {sys.executable} has no {missing[0]}; run {make}source .venv/bin/activate")


def before_imports() -> None:
    """Garbage is not collected while libraries are imported, since they leave hardly any."""
    gc.disable()


def after_imports() -> None:
    """Garbage is collected from now on, but not looked for among what was imported."""
    gc.freeze()
    gc.enable()


def settle(code: int) -> None:
    """From now on SIGINT and SIGTERM end this process at once, with this exit code.

    A handler that raises while Python ends would print a traceback.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job
            signal.signal(number, lambda *_: os._exit(code))


def leave(code: int = 0) -> NoReturn:
    """End this process as Python does, except that the kernel frees its memory."""
    settle(code)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
