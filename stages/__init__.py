"""The verbs: one module for each stage of dvc.yaml, each read top to bottom as load, compute, write, track.

`python -m stages.NAME` runs this file before it imports the stage, and with it NumPy and torch. Signals, the inputs at
the start and the choice of arithmetic come before that.
"""

import sys

from digitsum import stage
from digitsum.process import before_imports, require_environment


def _begin() -> None:
    """For the stage that this process was started as; a process that only imports stages has begun for itself."""
    name = next((word.removeprefix("stages.") for word in sys.orig_argv if word.startswith("stages.")), None)
    if name is None:
        return
    require_environment()
    stage.guard()
    before_imports()
    from digitsum import arithmetic, inputs

    inputs.remember(name)
    arithmetic.choose(arithmetic.wanted_by(name, inputs.params()))


_begin()
