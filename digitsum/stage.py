"""Run a stage: signals, errors in one line, and exit codes."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from digitsum.errors import InputError
from digitsum.process import after_imports, leave

PR_SET_PDEATHSIG = 1  # of prctl(2)


def run(main: Callable[[], None]) -> None:
    """Call `main`. An error that a user can mend ends in one line and exit code 1, without a traceback."""
    # an exception, so that half-written files are removed and the tracked run ends
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if sys.platform == "linux" and "DVC_STAGE" in os.environ:
        # without this, the stage of a killed dvc would go on, and write where the next one writes
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    after_imports()
    try:
        main()
        leave()
    except InputError as error:
        sys.exit(f"error: {error}" if os.environ.get("RANK", "0") == "0" else 1)  # one process prints it
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        sys.exit(f"error: {error.filename or 'writing'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
