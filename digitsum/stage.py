"""What every stage does around its work."""

import signal
import sys
from collections.abc import Callable

from digitsum.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Calls `main`; what a user can mend ends in one line and exit code 1, without a traceback."""
    # as an exception, so that what is half-written goes and the tracked run ends
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        sys.exit(f"error: {error.filename or 'writing'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
