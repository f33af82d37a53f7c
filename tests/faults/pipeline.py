"""The tiny pipeline under real dvc, git and MLflow: runs that are killed, and what must hold after the next run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from conftest import WARM, digests, lay
from shell import BIN
from tracked import ON, rows, store

from digitsum.tracking.results.leftovers import clear

KINDS = ("group", "dvc", "stage", "term", "interrupt")
FOLDERS = ("data/raw", "data/processed", "models", "reports")
SECONDS = 600  # after which a recovery counts as stuck


def outcome() -> dict[str, str]:
    """The digest of each output. DVC writes .gitignore as a command ends; those of the project are in git."""
    return {name: digest for name, digest in digests(*FOLDERS).items() if not name.endswith(".gitignore")}


class Undisturbed(NamedTuple):
    """A run that nothing happened to."""

    digests: dict[str, str]
    lock: str
    seconds: float

    @classmethod
    def read(cls, file: Path) -> "Undisturbed":
        return cls(**json.loads(file.read_text()))


def python(folder: Path, cold: bool) -> str:
    """A PATH with an ordinary dvc, and a `python` that is ordinary as well, or a warm one that dies with its dvc."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    if cold or WARM not in os.environ:
        return f"{BIN}{os.pathsep}{os.environ['PATH']}"
    script = folder / "bin" / "python"
    guarded = Path(__file__).with_name("guarded.py")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{guarded}" "{os.environ[WARM]}/python" "$@"\n')
    script.chmod(0o755)
    return os.pathsep.join([str(folder / "bin"), str(BIN), os.environ["PATH"]])


def begin(*words: str, path: str) -> subprocess.Popen[bytes]:
    """A command in a process group of its own, as a shell starts it."""
    here = os.environ | ON | {"PATH": path, "SHELL": "/bin/sh"}
    with Path("log").open("ab") as log:
        return subprocess.Popen(words, env=here, stdout=log, stderr=log, process_group=0)


def finish(*words: str, path: str) -> str:
    """A command that must succeed."""
    before = Path("log").stat().st_size if Path("log").exists() else 0
    process = begin(*words, path=path)
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    output = Path("log").read_bytes()[before:].decode(errors="replace")
    assert code == 0, f"{words} ended with {code}\n{output}"
    return output


def killed(seed: int, most: float, *words: str, path: str) -> None:
    """Run a command and kill it, with all that it started, after at most so many seconds."""
    process = begin(*words, path=path)
    with suppress(subprocess.TimeoutExpired):
        process.wait(random.Random(seed).uniform(0.1, most))
    kill(process, "group")


def seconds_of(*words: str, path: str, copy: Path) -> float:
    """How long a command takes, in a copy of the current folder."""
    lay(Path(), copy)
    with chdir(copy):
        start = time.monotonic()
        finish(*words, path=path)
        return time.monotonic() - start


def kill(process: subprocess.Popen[bytes], kind: str) -> None:
    """End a command in one of the ways in which commands are ended."""
    with suppress(ProcessLookupError):
        if kind == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif kind == "dvc":
            process.kill()
        elif kind == "term":
            process.terminate()
        elif kind == "interrupt":
            for _ in range(2):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.3)
        else:
            while process.poll() is None and not _kill_stage(process.pid):  # between two stages
                time.sleep(0.01)
    process.wait(SECONDS)


def _kill_stage(dvc: int) -> bool:
    """Whether there was one."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(dvc).children(recursive=True):
            if any("stages." in word for word in child.cmdline()):
                child.kill()
                return True
    return False


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def run_and_kill(seed: int, undisturbed: Undisturbed, folder: Path, cold: bool) -> str:
    """Run dvc, end it at a moment and in a way that the seed gives, and run it again at once."""
    rng = random.Random(seed)
    kind, stages, moment = rng.choice(KINDS), rng.randrange(6), rng.uniform(0, undisturbed.seconds / 5)
    path = python(folder, cold)
    process = begin("dvc", "repro", path=path)
    wait_until(lambda: Path("log").read_text().count("Running stage") >= stages or process.poll() is not None, SECONDS)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    kill(process, kind)
    finish("python", "-m", "digitsum", "mend", path=path)
    finish("dvc", "repro", path=path)
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)
    return kind


def require_whole(undisturbed: Undisturbed) -> None:
    """The outcome is that of an undisturbed run, and nothing else is left of the disturbance."""
    assert outcome() == undisturbed.digests
    assert Path("dvc.lock").read_text() == undisturbed.lock
    wait_until(lambda: not list(Path(".digitsum/outbox").glob("[0-9]*")))
    (row,) = rows()
    assert row.info.status == "FINISHED"
    client, experiment = store()
    assert [run.info.status for run in client.search_runs([experiment]) if run.info.status == "RUNNING"] == []
    assert left_over() == []


def left_over() -> list[str]:
    """Temporary files, locks of DVC, and what was set aside, a day later: other tests run dvc beside this one."""
    for file in Path(".dvc/cache").rglob("*.tmp"):
        os.utime(file, (1, 1))
    clear()
    found = [str(path) for path in Path().rglob("*.tmp*") if "/checkpoints/" not in str(path)]
    found += [str(path) for path in Path().rglob(".*.tmp.old")]
    found += [str(path) for path in Path(".digitsum/outbox").glob("*")]
    found += [str(path) for path in Path(".digitsum/checkpoints").glob("*")]
    rwlock = Path(".dvc/tmp/rwlock")
    if rwlock.exists() and any(json.loads(rwlock.read_text()).values()):
        found.append(f"{rwlock}: {rwlock.read_text()}")
    return found
