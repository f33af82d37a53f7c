"""A disk that is full, in each stage and in tracking: one line, nothing half-written, and the next run completes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tracked import ON

from faults.pipeline import Undisturbed, begin, finish, left_over, outcome, python, require_whole

STAGES = ("ingest", "preprocess", "train", "evaluate", "confusion")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 64 MB, empty."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        os.chdir("/")
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full_but_for(folder: Path, left: int) -> Iterator[None]:
    """The disk has so many bytes left while the block runs."""
    ballast = folder.parent / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(shutil.disk_usage(folder.parent).free - left, 4096))
    try:
        yield
    finally:
        ballast.unlink()


def on_disk(repository: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = disk / "project"
    shutil.copytree(repository, project, symlinks=True)
    monkeypatch.chdir(project)
    return project


@pytest.mark.parametrize("stage", STAGES)
def test_stage(
    stage: str, repository: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = on_disk(repository, disk, monkeypatch)
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    log = tmp_path_factory.mktemp("log") / "log"
    before = STAGES[: STAGES.index(stage)]
    for name in before:
        subprocess.run(["python", "-m", f"stages.{name}"], env=os.environ | {"PATH": path}, check=True)
    there = outcome()
    with full_but_for(project, 2048), log.open("w") as file:
        words = ["python", "-m", f"stages.{stage}"]
        code = subprocess.run(
            words, env=os.environ | ON | {"PATH": path}, stdout=file, stderr=file, check=False
        ).returncode
    said = log.read_text()
    assert code == 1, said
    assert "Traceback" not in said
    assert [line.startswith("error: ") for line in said.splitlines()].count(True) == 1, said
    kept = {name: digest for name, digest in outcome().items() if name in there}
    assert kept == there
    assert [left for left in left_over() if "outbox" not in left] == []


@pytest.mark.parametrize("megabytes", [0.1, 0.5, 1.5, 4, 8])
def test_pipeline(
    megabytes: float, repository: Path, undisturbed: Undisturbed, disk: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """Wherever space ends, in a stage or in DVC or in tracking, the next run has everything, once there is space."""
    project = on_disk(repository, disk, monkeypatch)
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    with full_but_for(project, int(megabytes * 2**20)):
        begin("dvc", "repro", path=path).wait()
    finish("python", "-m", "digitsum", "mend", path=path)
    finish("dvc", "repro", path=path)
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)
