"""A run that is killed while it trains ends as if nothing had happened; tests/faults has a hundred such moments."""

import os
import shutil
import time
from pathlib import Path

import pytest
from faults.pipeline import SECONDS, Undisturbed, begin, finish, kill, outcome, python, require_whole


def test_run_that_is_killed_twice(made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a clone, whose dvc.lock is there before the outputs are: first the whole group, then dvc alone."""
    undisturbed = Undisturbed(outcome(), Path("dvc.lock").read_text(), 0)
    for folder in (".dvc/cache", "data/raw", "data/processed", "models"):
        shutil.rmtree(made / folder)
    path, warm = python(tmp_path_factory.mktemp("path"), cold=False), os.environ["PATH"]
    for trainings, kind in enumerate(("group", "dvc"), 1):
        process = begin("dvc", "repro", path=path)
        end = time.monotonic() + SECONDS
        while Path("log").read_text().count("train: columns on small") < trainings:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        kill(process, kind)
        finish("python", "-m", "digitsum", "mend", path=warm)
    finish("dvc", "repro", path=warm)
    finish("python", "-m", "digitsum", "sync", path=warm)
    require_whole(undisturbed)
