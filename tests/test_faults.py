"""A run that is killed while it trains ends as if nothing had happened; tests/faults has a hundred such moments."""

import shutil
import time
from pathlib import Path

import pytest
from faults.pipeline import SECONDS, Undisturbed, begin, finish, kill, outcome, python, require_whole


@pytest.mark.parametrize("kind", ["group", "dvc"])
def test_killed_run(kind: str, made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a clone, whose dvc.lock is there before the outputs are."""
    undisturbed = Undisturbed(outcome(), Path("dvc.lock").read_text(), 0)
    for folder in (".dvc/cache", "data/raw", "data/processed", "models"):
        shutil.rmtree(made / folder)
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    process = begin("dvc", "repro", path=path)
    end = time.monotonic() + SECONDS
    while "train: columns on small" not in Path("log").read_text():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    kill(process, kind)
    finish("python", "-m", "digitsum", "mend", path=path)
    finish("dvc", "repro", path=path)
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)
