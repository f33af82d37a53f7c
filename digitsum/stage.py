"""Run a stage: signals, errors in one line, and exit codes."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from digitsum.errors import InputError, one_line, plain
from digitsum.process import after_imports, leave, settle

PATIENCE = 5  # seconds
PR_SET_PDEATHSIG = 1  # of prctl(2)
_PARENT = os.getppid()


def guard() -> None:
    """Before a stage imports anything large: signals end it without a traceback, and so does the death of its dvc.

    Otherwise the stage of a killed dvc would go on, and write where the next one writes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job
            signal.signal(number, _exit_at_once)
    if "DVC_STAGE" in os.environ:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        require_parent()


def require_parent() -> None:
    """End this process if it is the stage of a dvc that has ended.

    Raises:
        SystemExit: in that case.
    """
    if "DVC_STAGE" in os.environ and (os.getppid() != _PARENT or _is_reaper(_PARENT)):
        print("error: dvc has ended, so its stage ends", file=sys.stderr)
        raise SystemExit(128 + signal.SIGTERM)


def _is_reaper(pid: int) -> bool:
    """Whether a process is one that adopts orphans; a container's first process may be dvc itself."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return pid == 1
    return name == "systemd" or (pid == 1 and not name.startswith(("dvc", "python")))


def _exit_at_once(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # an exception may become another one inside an import


def _exit_in_order(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)  # so that half-written files are removed and the tracked run ends


def run(main: Callable[[], None]) -> NoReturn:
    """Call `main`, then end the process. An error that a user can mend is one line and exit code 1, not a traceback."""
    guard()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit_in_order)
    after_imports()
    try:
        main()
        sys.stdout.flush()
    except SystemExit as end:
        leave(int(end.code or 0))
    except InputError as error:
        _refuse(f"error: {error}")
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        give_up_stdout()
        _refuse(f"error: {error.filename or 'writing'}: {error.strerror or one_line(error)}")
    leave()


def _refuse(message: str) -> NoReturn:
    """End the process with an error. Processes of one training meet the same error, and the main one prints it."""
    settle(1)
    if os.environ.get("RANK", "0") != "0":
        time.sleep(PATIENCE)  # torchrun ends this process when the main one has ended
    print(plain(message), file=sys.stderr)
    leave(1)


def give_up_stdout() -> None:
    """Write what is still in the buffer of standard output nowhere, since its reader or its disk cannot take it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
