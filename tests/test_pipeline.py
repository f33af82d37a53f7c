"""The whole of it as its user runs it: real dvc, real MLflow, processes of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, change, digests, run
from shell import call, start, wait_for


def test_bad_input_ends_in_one_line(repository: Path) -> None:
    change(repository, "train", epochs=0)
    said = call("python", "-m", "stages.ingest", code=1)
    assert said == "error: params.yaml: `train.epochs` is 0; input should be greater than or equal to 1\n"
    assert not (repository / "data" / "raw").exists()
    said = call("python", "-m", "digitsum", "summary", code=1)
    assert said.startswith("error: reports/metrics.json: ")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("words", [("-m", "digitsum", "summary"), ("-m", "stages.ingest")])
def test_full_standard_output_is_one_line(project: Path, words: tuple[str, ...]) -> None:
    (project / "reports").mkdir()
    shutil.copy(ROOT / "reports" / "metrics.json", project / "reports")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("No space left on device\n")
    assert done.stderr.count("\n") == 1


def test_name_of_a_file_that_is_no_text_is_one_line() -> None:
    words = [os.fsencode(sys.executable), b"-m", b"digitsum", b"use", b"a\nb\xff\x1b[2J.yaml"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: a\\nb\\udcff\\x1b[2J.yaml: no such file")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", ["initial/a.safetensors", "initial/b.pth", "external/data0.npy"])
def test_files_from_outside_can_be_under_dvc(name: str) -> None:
    """In a folder that git ignores, DVC would not see their pointers, and checkout would not bring them."""
    file = Path("data") / name
    file.write_text("some")
    assert call("git", "status", "--porcelain") == "", "git is not to hold it"
    call("dvc", "add", "-q", str(file))
    call("git", "add", "data")
    call("git", "commit", "-qm", "pointer")
    file.unlink()
    call("dvc", "checkout", "-q", "--allow-missing")  # of what no stage has made
    assert file.read_text() == "some"


@pytest.mark.parametrize("processes", [1, 2])
def test_terminated_training_keeps_its_state_alone(repository: Path, processes: int) -> None:
    run("ingest", "preprocess")
    change(repository, "train", epochs=10_000, processes=processes)
    with start(sys.executable, "-m", "stages.train") as train:
        wait_for(train, "epoch 1/")
        train.terminate()
        wait_for(train, "train: interrupted at step")
    assert train.returncode == 143
    assert not list((repository / "models").glob("*"))
    assert len(list((repository / ".digitsum" / "checkpoints").iterdir())) == 1


def test_killed_training_goes_on_to_the_same_bits(repository: Path) -> None:
    run("ingest", "preprocess")
    change(repository, "train", epochs=8)
    train = ("python", "-m", "stages.train")
    call(*train)
    never_killed = digests("models")
    assert not list((repository / ".digitsum" / "checkpoints").iterdir())
    for epoch in (2, 5):
        with start(*train) as process:
            said = wait_for(process, f"epoch {epoch}/")
            process.kill()
        assert any("resuming at step" in line for line in said) == (epoch > 2)
    assert "resuming at step" in call(*train)
    assert digests("models") == never_killed
    change(repository, "train", seed=7)
    assert "resuming" not in call(*train)


def test_killing_dvc_ends_its_stage(repository: Path) -> None:
    change(repository, "train", epochs=10_000)
    with start("dvc", "repro", "train", SHELL="/bin/sh") as dvc:
        wait_for(dvc, "epoch 1/")
        dvc.kill()
        assert dvc.stdout is not None
        dvc.stdout.read()  # ends when the last process that writes to it has
    assert not list((repository / "models").glob("*"))


@pytest.mark.usefixtures("made")
def test_results_of_another_machine_in_the_commit_are_named_and_cost_no_second_training() -> None:
    assert "baseline" not in call("python", "-m", "digitsum", "summary")
    ours = Path("dvc.lock").read_text()
    model = hashlib.md5(Path("models/model.safetensors").read_bytes()).hexdigest()
    Path("dvc.lock").write_text(ours.replace(model, "a" * 32))
    call("git", "commit", "-qam", "results of another machine")
    Path("dvc.lock").write_text(ours)

    *_, last = call("python", "-m", "digitsum", "summary").splitlines()
    assert last.startswith("baseline  the commit has other results")
    change(Path(), "confusion", examples=3)
    call("dvc", "repro")
    assert "baseline" not in call("python", "-m", "digitsum", "summary"), "the params were changed"

    call("git", "checkout", "params.yaml")
    assert "Stage 'confusion' is cached" in call("dvc", "repro")
    assert Path("dvc.lock").read_text() == ours
