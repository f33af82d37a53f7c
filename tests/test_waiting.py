"""Nothing is imported that a command does not need: a library costs up to two seconds at every call."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from shell import call
from tracked import digitsum, rows, store, sync

from digitsum.locks import alone
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import write_model
from digitsum.tracking.recording.outbox import outbox
from digitsum.tracking.unchanged import RACY, WATCHING, state, unchanged

COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}  # what torch.compile needs


def imported_by(*words: str) -> set[str]:
    """The modules that an ordinary Python has imported when `python -m digitsum` with these words ends."""
    code = (
        "import json, sys; sys.argv[0] = 'digitsum'; from digitsum.__main__ import main; main();"
        "print(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_predict_imports_no_compiler_and_no_tracking(model: SumModel, strips: np.ndarray) -> None:
    write_model(model, Path("model.safetensors"))
    Image.fromarray(strips[0]).save("strip.png")
    imported = imported_by("predict", "strip.png", "--model", "model.safetensors")
    assert "torch" in imported
    assert not imported & (
        COMPILER | {"mlflow", "dvc", "pandas", "sklearn", "matplotlib", "torchvision", "scipy.stats"}
    )


LIBRARIES = COMPILER | {"torch", "mlflow", "dvc", "pandas", "scipy", "sklearn", "matplotlib", "numpy"}


@pytest.mark.usefixtures("made")
def test_summary_where_nothing_changed_imports_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITSUM_TRACKING", "on")
    first = digitsum("summary").splitlines()
    time.sleep(0.1)
    assert not imported_by("summary") & LIBRARIES
    assert digitsum("summary").splitlines() == ["mlflow: up to date", *first[1:]]


def write_in_place(path: Path) -> None:
    """Other bytes of the same length, with the time of change that the file had."""
    before = path.stat()
    with path.open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(b"#" if byte != b"#" else b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def delete_row() -> None:
    (row,) = rows()
    store()[0].delete_run(row.info.run_id)


CHANGES: dict[str, Callable[[], object]] = {
    "row deleted": delete_row,
    "commit": lambda: call("git", "commit", "--allow-empty", "-qm", "more"),
    "experiment": lambda: call("git", "update-ref", f"refs/exps/{'a' * 2}/{'b' * 38}/name", "HEAD"),
    "predictions": lambda: write_in_place(Path("reports/predictions.csv")),
    "test strips": lambda: write_in_place(Path("data/processed/test/strips.npy")),
    "lock": lambda: write_in_place(Path("dvc.lock")),
    "code": lambda: write_in_place(Path("digitsum/judging/compare.py")),
    "missing file": lambda: Path("reports/predictions.csv").unlink(),
}


@pytest.mark.usefixtures("made")
def test_any_change_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITSUM_TRACKING", "on")
    sync()
    settle = 2 * RACY / 1e9
    looks: list[str] = []

    def look() -> list[str]:
        looks.append("")
        return []

    for change in CHANGES.values():
        time.sleep(settle)
        unchanged(look)
        done = len(looks)
        unchanged(look)
        assert len(looks) == done, "nothing changed"
        change()
        time.sleep(settle)
        unchanged(look)
        assert len(looks) > done
    assert state() is not None
    (outbox() / "1-a").mkdir(parents=True)
    (outbox() / "1-a" / "events.jsonl").touch()
    time.sleep(settle)
    assert state() is None


@pytest.mark.usefixtures("made")
def test_what_the_watcher_of_the_last_run_still_writes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the next `make run` would look again, although nothing is new."""
    monkeypatch.setenv("DIGITSUM_TRACKING", "on")
    sync()
    looks: list[str] = []

    def look() -> list[str]:
        looks.append("")
        return []

    with ExitStack() as watcher:
        watcher.enter_context(alone(WATCHING))

        def end() -> None:
            os.utime("mlflow.db")
            watcher.close()

        timer = Timer(1.0, end)
        timer.start()
        unchanged(look)
        timer.join()
    done = len(looks)
    time.sleep(2 * RACY / 1e9)
    unchanged(look)
    assert len(looks) == done


@pytest.mark.usefixtures("made")
def test_server_is_always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert state() is None


@pytest.mark.parametrize("module", ["digitsum", "stages.train"])
def test_other_python_is_sent_to_the_environment(module: str, project: Path) -> None:
    words = [sys.executable, "-S", "-m", module]  # without the packages that are installed
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(" has no numpy; run make env, then source .venv/bin/activate\n")
    (project / ".venv").mkdir()
    (project / ".venv" / "ready").touch()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr.endswith(" has no numpy; run source .venv/bin/activate\n")


def test_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements-dev.lock").touch()
    make = ("make", "-C", str(tmp_path), ".venv/uv.lock")
    (tmp_path / "no-venv").write_text(f'#!/bin/sh\ncase $* in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    (tmp_path / "no-venv").chmod(0o755)
    assert "has no venv; on Debian: apt install python3-venv" in call(*make, "PYTHON=./no-venv", code=2)
    (tmp_path / ".venv").write_text("a file")
    said = call(*make, f"PYTHON={sys.executable}", code=2)
    assert "error: .venv: cannot be made, for the reason above" in said
    assert "apt" not in said


def test_process_that_leaves_has_written_all_and_run_its_handlers() -> None:
    code = (
        "import atexit, threading, time; from digitsum.process import leave\n"
        "atexit.register(print, 'handler')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
        "print('main')\n"
        "leave()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["main", "thread", "handler"]
