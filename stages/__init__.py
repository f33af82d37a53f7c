"""The verbs: one module for each stage of dvc.yaml, each read top to bottom as load, compute, write, track.

`python -m stages.NAME` runs this file before it imports the stage, and with it NumPy and torch, whose arithmetic has to
be chosen before that.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from digitsum import arithmetic
from digitsum.formats import load_yaml
from digitsum.process import before_imports


def _prepare() -> None:
    """For the stage that this process was started as; a process that only imports stages has chosen for itself."""
    stage = next((word.removeprefix("stages.") for word in sys.orig_argv if word.startswith("stages.")), None)
    if stage is None:
        return
    before_imports()
    params: Any = None
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):  # the stage says what is wrong with it
        params = load_yaml(Path("params.yaml").read_text(encoding="utf-8"))
    arithmetic.choose(arithmetic.wanted_by(stage, params))


_prepare()
