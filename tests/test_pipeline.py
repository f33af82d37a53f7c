"""The whole of it as its user runs it: real dvc, real MLflow, processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import change
from test_stages import digests, run

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client_of(repository: Path) -> "MlflowClient":
    from mlflow import MlflowClient  # takes seconds, and most workers never need it

    return MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")


def call(*words: str, code: int = 0, **environment: str) -> str:
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    done = subprocess.run(words, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def repository(project: Path) -> Path:
    call("git", "init", "-q")
    call("git", "config", "user.email", "a@example.org")
    call("git", "config", "user.name", "A")
    call("dvc", "init", "-q")
    call("dvc", "config", "core.analytics", "false")
    (project / ".gitignore").write_text("__pycache__/\n/mlflow.db*\n/mlartifacts/\n")
    call("git", "add", "-A")
    call("git", "commit", "-qm", "first")
    return project


def test_repro_is_tracked_and_a_second_one_does_nothing(repository: Path) -> None:
    call("dvc", "repro", DIGITSUM_TRACKING="on")

    client = client_of(repository)
    experiment = client.get_experiment_by_name("digitsum")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == {"ingest", "preprocess", "train", "evaluate", "confusion"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["train"].data.params["train.epochs"] == "2"
    assert runs["train"].data.params["train.augment.rotate"] == "5.0"
    assert runs["train"].data.params["model.head"] == "columns"
    history = client.get_metric_history(runs["train"].info.run_id, "val_accuracy")
    assert [metric.step for metric in history] == [1, 2]
    accuracy = json.loads(Path("reports/metrics.json").read_text())["accuracy"]
    assert runs["evaluate"].data.metrics["accuracy"] == accuracy
    lock = Path("dvc.lock").read_text()
    for name in ("preprocess", "train", "evaluate", "confusion"):
        (used,) = runs[name].inputs.dataset_inputs
        assert used.dataset.digest.endswith(".dir")
        assert used.dataset.digest in lock
    pictures = {item.path for item in client.list_artifacts(runs["confusion"].info.run_id, "confusion")}
    assert {"confusion/matrix.png", "confusion/worst.png"} <= pictures
    assert runs["train"].data.tags["mlflow.source.git.commit"] == call("git", "rev-parse", "HEAD").strip()

    tracked = digests("data", "models", "reports")
    run()
    assert digests("data", "models", "reports") == tracked, "tracking changed a result"

    assert "Data and pipelines are up to date" in call("dvc", "repro")
    assert len(client.search_runs([experiment.experiment_id])) == 5

    assert "accuracy" in call("dvc", "metrics", "show")
    page = call("dvc", "plots", "show").strip().removeprefix("file://")
    for name in ("learning curve (loss)", "confusion of sums", "reliability"):
        assert name in Path(page).read_text()
    assert f"accuracy  {accuracy:.2%} of 40 test sums right" in call(sys.executable, "-m", "digitsum", "summary")


def test_bad_input_ends_in_one_line(repository: Path) -> None:
    change(repository, "train", epochs=0)
    said = call(sys.executable, "-m", "stages.ingest", code=1)
    assert said == "error: params.yaml: `train.epochs` is 0; input should be greater than or equal to 1\n"
    assert not (repository / "data" / "raw").exists()
    said = call(sys.executable, "-m", "digitsum", "summary", code=1)
    assert said.startswith("error: reports/metrics.json: ")
    assert said.count("\n") == 1


def test_failed_run_is_recorded_as_failed(repository: Path) -> None:
    change(repository, "ingest", source="npy")
    said = call(sys.executable, "-m", "stages.ingest", code=1, DIGITSUM_TRACKING="on")
    assert said == "error: data/external: no data0.npy with its lab0.npy; put the data set's files there\n"
    client = client_of(repository)
    (run,) = client.search_runs([client.get_experiment_by_name("digitsum").experiment_id])
    assert run.info.status == "FAILED"


def test_store_that_cannot_be_reached_is_named(repository: Path) -> None:
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    said = call(sys.executable, "-m", "stages.ingest", code=1, DIGITSUM_TRACKING="on", **nowhere)
    last = said.splitlines()[-1]
    assert last.startswith("error: http://127.0.0.1:9: the MLflow store cannot be used (")
    assert last.endswith("set MLFLOW_TRACKING_URI to another, or DIGITSUM_TRACKING=off")
    assert not (repository / "data" / "raw").exists()


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    return subprocess.Popen(words, env=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """The lines up to the first with this beginning."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"no line begins with {beginning!r}:\n{''.join(lines)}")


def test_terminated_run_is_recorded_as_killed_and_keeps_its_state_alone(repository: Path) -> None:
    run("ingest", "preprocess")
    change(repository, "train", epochs=10_000)
    with start(sys.executable, "-m", "stages.train", DIGITSUM_TRACKING="on") as train:
        wait_for(train, "epoch 1/")
        train.terminate()
    assert train.returncode == 143
    assert not list((repository / "models").glob("*"))
    assert len(list((repository / ".digitsum" / "unfinished").iterdir())) == 1
    client = client_of(repository)
    (record,) = client.search_runs([client.get_experiment_by_name("digitsum").experiment_id])
    assert record.info.status == "KILLED"


def test_killed_training_goes_on_to_the_same_bits(repository: Path) -> None:
    run("ingest", "preprocess")
    change(repository, "train", epochs=8)
    train = (sys.executable, "-m", "stages.train")
    call(*train)
    never_killed = digests("models")
    assert not list((repository / ".digitsum" / "unfinished").iterdir())
    for epoch in (2, 5):
        with start(*train) as process:
            said = wait_for(process, f"epoch {epoch}/")
            process.kill()
        assert any("going on after step" in line for line in said) == (epoch > 2)
    assert "going on after step" in call(*train)
    assert digests("models") == never_killed
    change(repository, "train", seed=7)
    assert "going on" not in call(*train)


def test_killing_dvc_ends_its_stage(repository: Path) -> None:
    change(repository, "train", epochs=10_000)
    # bash gives way to its command, as not every sh does
    with start("dvc", "repro", "train", SHELL="/bin/bash") as dvc:
        wait_for(dvc, "epoch 1/")
        dvc.kill()
        assert dvc.stdout is not None
        dvc.stdout.read()  # ends when the last process that writes to it has
    assert not list((repository / "models").glob("*"))
