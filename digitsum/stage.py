"""What every stage does around its work."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from digitsum.errors import InputError

PR_SET_PDEATHSIG = 1  # of prctl(2)


def run(main: Callable[[], None]) -> None:
    """Calls `main`; what a user can mend ends in one line and exit code 1, without a traceback."""
    # as an exception, so that what is half-written goes and the tracked run ends
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if sys.platform == "linux" and "DVC_STAGE" in os.environ:
        # a killed dvc would leave its stage at work, to write where the next one does
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}" if os.environ.get("RANK", "0") == "0" else 1)  # said once
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        sys.exit(f"error: {error.filename or 'writing'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
