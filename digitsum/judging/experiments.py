"""Runs the pipeline with other params beside the workspace, as a DVC experiment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from digitsum.errors import InputError
from digitsum.locks import LOCKS, locked
from digitsum.places import EXTERNAL, repository_root
from digitsum.tracking.results.dvc_files import experiments
from digitsum.tracking.rows.run import Run

UNTRACKED = (EXTERNAL, Path("data/initial"))  # folders of inputs that git ignores
SECONDS_BETWEEN_LOOKS = 0.5


class FailedError(InputError):
    """A stage failed, or was interrupted."""


class StoppedError(Exception):
    """The experiment was ended on purpose while it ran."""


def row_of_experiment(
    name: str, changes: Mapping[str, Any], find: Callable[[], Run | None], stop: Callable[[], bool] = lambda: False
) -> Run:
    """The row of an experiment, which runs if it has none; DVC restores what its cache has.

    If the dvc of an earlier call still runs the experiment, this waits for it.

    Args:
        changes: params by DVC's keys, such as train.epochs.
        find: the row, once the store is up to date.
        stop: asked twice a second while stages run; once it returns True, the stage ends.

    Raises:
        FailedError: if a stage fails or is interrupted; the same command resumes.
        InputError: if the result has no row.
        StoppedError: if `stop` ended it.
    """
    lock = repository_root() / LOCKS / f"experiment-{name}"
    with ExitStack() as held:
        own = held.enter_context(locked(lock, wait=False))
        if not own.held:
            print(f"{name}: still runs; waiting for it", flush=True)
            own = held.enter_context(locked(lock))
        if row := find():
            return row
        _run(name, changes, stop, own.file.fileno())
        if row := find():
            return row
    raise InputError(
        f"{name}: its result has no row of this recipe; code or params changed meanwhile, or somebody deleted the row "
        "in MLflow: run the command again"
    )


def _run(name: str, changes: Mapping[str, Any], stop: Callable[[], bool], lock: int) -> None:
    """Run dvc, which inherits the file descriptor of the lock, and so holds it even if this process is killed."""
    dvc = [sys.executable, "-m", "dvc"]
    here = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if name in {other for _, other in experiments()}:  # its row is gone
        subprocess.run([*dvc, "exp", "remove", "--quiet", name], env=here, check=True)
    words = ["exp", "run", "--temp", "--name", name]
    for key, value in changes.items():
        words += ["--set-param", f"{key}={json.dumps(value)}"]
    for folder in UNTRACKED:
        if any(file.suffix != ".md" for file in folder.glob("*")):
            words += ["--copy-paths", str(folder)]
    stopped = False
    with subprocess.Popen([*dvc, *words], env=here, pass_fds=[lock]) as process:
        try:
            while process.poll() is None:
                if not stopped and stop():
                    stopped = _end_stage(process.pid)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt:  # the terminal sends it to dvc and its stage as well, which saves a checkpoint
            process.wait()
            raise
    if process.returncode and stopped:
        raise StoppedError
    if process.returncode:
        raise FailedError(
            f"{name}: dvc exp run failed with exit code {process.returncode}; its messages are above. Mend the cause, "
            "then run the same command to resume"
        )


def _end_stage(dvc: int) -> bool:
    """Whether there was a stage to end; dvc itself goes on and tidies up."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(dvc).children(recursive=True):
            if any(word.startswith("stages.") for word in child.cmdline()):
                child.send_signal(signal.SIGTERM)
                return True
    return False
