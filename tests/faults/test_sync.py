"""Sync, its watcher, push, pull and reproduce, killed on the way: the same command again completes the work."""

import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from shell import call
from tracked import rows

from faults.pipeline import (
    Undisturbed,
    begin,
    finish,
    killed,
    left_over,
    outcome,
    python,
    require_whole,
    seconds_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("seed", range(10))
def test_sync(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    words = ("python", "-m", "digitsum", "sync", "--history")
    killed(seed, seconds_of(*words, path=path, copy=tmp_path_factory.mktemp("copy")), *words, path=path)
    finish(*words, path=path)
    (row,) = rows()
    assert row.info.status == "FINISHED"
    assert left_over() == []


@pytest.mark.parametrize("seed", range(3))
def test_watcher(seed: int, undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    process = begin("dvc", "repro", path=path)
    deadline = time.monotonic() + random.Random(seed).uniform(1, undisturbed.seconds)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    here = str(Path.cwd())
    for other in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if "--watch" in (other.info["cmdline"] or []) and other.cwd() == here:
                other.send_signal(signal.SIGKILL)
    assert process.wait() == 0
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("seed", range(5))
def test_push_and_pull(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    remote = tmp_path_factory.mktemp("remote")
    call("dvc", "remote", "add", "--default", "shared", str(remote))
    before = outcome()
    killed(seed, 3, "dvc", "push", "--run-cache", path=path)
    finish("dvc", "push", "--run-cache", path=path)
    shutil.rmtree(".dvc/cache")
    for folder in ("data/raw", "data/processed", "models"):
        shutil.rmtree(folder)
    killed(seed, 3, "dvc", "pull", "--run-cache", path=path)
    finish("python", "-m", "digitsum", "mend", path=path)
    finish("dvc", "pull", "--run-cache", path=path)
    assert outcome() == before
    assert left_over() == []


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("seed", range(2))
def test_reproduce(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the user's checkout moves, whenever it ends, and a second one completes."""
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    finish("python", "-m", "digitsum", "sync", path=path)
    before, head, status = outcome(), call("git", "rev-parse", "HEAD"), call("git", "status", "--porcelain")
    killed(seed, 30, "python", "-m", "digitsum", "reproduce", "HEAD", path=path)
    assert outcome() == before
    finish("python", "-m", "digitsum", "reproduce", "HEAD", path=path)
    assert (outcome(), call("git", "rev-parse", "HEAD")) == (before, head)
    assert call("git", "status", "--porcelain") == status
