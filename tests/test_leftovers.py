"""What a killed dvc left is mended, and what a living one uses is not touched."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from shell import call
from tracked import digitsum

from digitsum.tracking.results.leftovers import clear

RWLOCK = Path(".dvc/tmp/rwlock")


@pytest.fixture
def _dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RWLOCK.parent.mkdir(parents=True)


@contextmanager
def running(*words: str) -> Iterator[int]:
    with subprocess.Popen(words) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def ended() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.mark.usefixtures("_dvc")
@pytest.mark.parametrize("text", ["", "{", '{"write": 3}', "[]", '{"write": {"a": 3}}', "\x00", '{"read": {"a": [3]}}'])
def test_damaged_rwlock_is_cleared(text: str) -> None:
    RWLOCK.write_text(text)
    assert len(clear()) == 1
    assert json.loads(RWLOCK.read_text()) == {}
    assert clear() == []


@pytest.mark.usefixtures("_dvc")
def test_entries_of_the_living_stay() -> None:
    """The entries of a dead process go, and so do those of another process with its number."""
    with (
        running(sys.executable, "-c", "'dvc'; import time; time.sleep(600)") as living,
        running("sleep", "60") as reused,
    ):
        own = {"pid": living, "cmd": "dvc repro"}
        dead = {"pid": ended(), "cmd": "dvc repro"}
        other = {"pid": reused, "cmd": "dvc repro"}
        entries = {"write": {"a": own, "b": dead, "c": other}, "read": {"d": [own, dead], "e": [other]}}
        RWLOCK.write_text(json.dumps(entries))
        assert len(clear()) == 1
        assert json.loads(RWLOCK.read_text()) == {"write": {"a": own}, "read": {"d": [own]}}
        assert clear() == []


@pytest.mark.usefixtures("_dvc")
def test_half_written_files_of_the_cache_go_after_a_day_or_if_no_dvc_runs() -> None:
    folder = Path(".dvc/cache/files/md5/ab")
    folder.mkdir(parents=True)
    for name in (".AAAAAAAAAAAAAAAAAAAAAA.tmp", "cdef", "notes.tmp"):
        (folder / name).touch()
    with running(sys.executable, "-c", "import time; time.sleep(600)", "dvc"):
        clear()
        assert (folder / ".AAAAAAAAAAAAAAAAAAAAAA.tmp").exists()
        os.utime(folder / ".AAAAAAAAAAAAAAAAAAAAAA.tmp", (1, 1))
        clear()
    assert sorted(path.name for path in folder.iterdir()) == ["cdef", "notes.tmp"]


@pytest.mark.usefixtures("_dvc")
def test_lock_that_was_cut_is_that_of_the_last_commit_or_none() -> None:
    whole = (ROOT / "dvc.lock").read_text()
    for end in (0, 9, 4096, 8192, len(whole) - 1):
        Path("dvc.lock").write_text(whole[:end])
        assert len(clear()) == 1
        assert not Path("dvc.lock").exists()
    call("git", "init", "-q")
    Path("dvc.lock").write_text(whole)
    call("git", "add", "dvc.lock")
    call("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "lock")
    assert clear() == []
    Path("dvc.lock").write_text(whole[:5000])
    assert len(clear()) == 1
    assert Path("dvc.lock").read_text() == whole
    conflict = f"<<<<<<< HEAD\n{whole}=======\n>>>>>>> other\n"
    Path("dvc.lock").write_text(conflict)
    assert clear() == []
    assert Path("dvc.lock").read_text() == conflict


def test_command_of_a_blocked_project(repository: Path) -> None:
    (repository / ".dvc/tmp").mkdir(exist_ok=True)
    RWLOCK.write_text('{"write"')
    assert "JSON structure is corrupted" in call("dvc", "repro", "ingest", code=255)
    assert digitsum("mend").startswith("mended    .dvc/tmp/rwlock")
    call("dvc", "repro", "ingest")
    assert digitsum("mend") == ""
