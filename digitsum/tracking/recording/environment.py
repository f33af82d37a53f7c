"""What a result may depend on besides data, params and code, and where a run came from."""

import getpass
import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from digitsum import arithmetic
from digitsum.errors import InputError
from digitsum.places import LOCK
from digitsum.tracking.results.checksums import digest
from digitsum.tracking.results.git import commit_of, git
from digitsum.tracking.rows.tags import ARITHMETIC, COMMIT, DIRTY, DVC_EXPERIMENT, PACKAGES, PLATFORM, PYTHON, STAGE

MADE = (LOCK, "data", "models", "reports")  # the pipeline changes these while it runs


def environment() -> dict[str, str]:
    """The interpreter, the processor, its arithmetic and the packages of this process, as tags."""
    return {
        PYTHON: platform.python_version(),
        PLATFORM: f"{platform.system()} {platform.machine()} {_processor()}",
        PACKAGES: digest(packages()),
        ARITHMETIC: arithmetic.in_effect(),
    }


@cache
def packages() -> list[str]:
    """All installed distributions with their versions."""
    return sorted({f"{found.name}=={found.version}".lower() for found in distributions()})


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def origin(stage: str) -> dict[str, str]:
    """The stage, the user, the commit and DVC's experiment, as tags."""
    tags = {"mlflow.source.name": f"stages/{stage}.py", "mlflow.source.type": "LOCAL", STAGE: stage}
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        tags["mlflow.user"] = getpass.getuser()
    with suppress(InputError, subprocess.CalledProcessError):  # no git, or no repository
        if commit := commit_of("HEAD"):
            changed = git("status", "--porcelain", "--", ".", *(f":!{path}" for path in MADE)).strip()
            tags |= {COMMIT: commit, DIRTY: str(bool(changed)).lower()}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags[DVC_EXPERIMENT] = experiment
    return tags
