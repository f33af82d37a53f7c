"""No result is ever lost: real dvc, real git, real MLflow stores and servers."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from subprocess import DEVNULL
from threading import Thread
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from conftest import Opener, change, digests, run
from servers import frozen
from shell import call, start, wait_for
from tracked import ON, children, digitsum, rows, stage_runs, store, sync

from digitsum.model.model_file import read_model
from digitsum.model.prediction import predict
from digitsum.tracking.reproduce import compare
from digitsum.tracking.results.occurrences import remember, remembered
from digitsum.tracking.rows.run import Run


def assert_curves(row: Any, train: Any) -> None:
    """On the run of training and on the row, with a point for each step, since there are so few."""
    client, _ = store()
    curve = pd.read_csv("models/training_curve.csv")
    for each in (row, train):
        history = client.get_metric_history(each.info.run_id, "train_loss")
        assert [metric.step for metric in history] == curve["step"].tolist() == list(range(1, 13))
        assert [metric.value for metric in history] == pytest.approx(curve["train_loss"].tolist())
        assert [metric.step for metric in client.get_metric_history(each.info.run_id, "val_accuracy")] == [6, 12]
    use = client.get_metric_history(row.info.run_id, "system/process_memory_usage_megabytes")
    assert [metric.step for metric in use] == list(range(len(use)))
    assert len(use) >= 5, "a sample of each stage"
    assert min(metric.value for metric in use) > 10


def assert_contents(row: Any) -> None:
    """What a person opens on the page of a row."""
    client, _ = store()
    data = {item.dataset.name: item.dataset for item in row.inputs.dataset_inputs}
    columns = json.loads(data["data/processed"].schema)["mlflow_colspec"]
    assert {"name": "test/strips", "type": "uint8 (40, 40, 168)"} in columns
    assert json.loads(data["data/processed"].profile)["items"]["train/sums"] == 96
    assert json.loads(data["data/raw"].profile)["source"] == row.data.params["ingest.source"]
    files = {"report.html", "quality.html", "matrix.png", "worst.png"}
    assert files <= {item.path for item in client.list_artifacts(row.info.run_id)}
    page = Path(client.download_artifacts(row.info.run_id, "report.html")).read_text()
    assert row.data.tags["mlflow.source.git.commit"] in page
    assert f"runs/{row.info.run_id}?workflowType=machine_learning" in page
    assert row.info.run_id not in Path("reports/report.html").read_text(), "a stage cannot know its row"
    assert f"`python -m digitsum reproduce {row.info.run_id}`" in row.data.tags["mlflow.note.content"]


def test_repro_is_one_row_with_its_stages_and_a_second_one_adds_nothing(repository: Path) -> None:
    call("dvc", "repro", **ON)
    sync()
    (row,) = rows()
    assert row.info.status == "FINISHED"
    runs = children(row)
    assert_curves(row, runs["train"])
    assert_contents(row)
    assert next(iter(row.data.metrics)) == "accuracy", "MLflow's page of a comparison opens with the first one"
    assert {child.info.run_name for child in runs.values()} == {f"{row.info.run_name}: {name}" for name in runs}
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ("ingest", "preprocess", "train", "evaluate", "confusion"), "FINISHED"
    )
    client, _ = store()
    given = yaml.safe_load(Path("params.yaml").read_text())
    assert {name.partition(".")[0] for name in row.data.params} == given.keys() - {"gate"}
    assert row.data.params["train.augment.rotate"] == "5.0"
    figures = json.loads(Path("reports/metrics.json").read_text()) | json.loads(
        Path("reports/confusion.json").read_text()
    )
    assert {name: row.data.metrics[name] for name in figures} == pytest.approx(figures)
    assert row.data.tags["mlflow.source.git.commit"] == call("git", "rev-parse", "HEAD").strip()
    assert row.data.tags["digitsum.dirty"] == row.data.tags["mlflow.source.git.dirty"] == "false"
    branch = call("git", "branch", "--show-current").strip()
    assert row.data.tags["mlflow.source.git.branch"] == branch
    lock = Path("dvc.lock").read_text()
    assert Path(client.download_artifacts(row.info.run_id, "dvc.lock")).read_text() == lock
    used = {item.dataset.name: item.dataset.digest for item in row.inputs.dataset_inputs}
    assert used.keys() == {"data/raw", "data/processed"}
    md5 = {out["path"]: out["md5"] for stage in yaml.safe_load(lock)["stages"].values() for out in stage["outs"]}
    for item in [*row.inputs.dataset_inputs, *runs["train"].inputs.dataset_inputs]:
        assert item.dataset.digest == md5[item.dataset.name]
    pictures = {item.path for item in client.list_artifacts(runs["confusion"].info.run_id, "confusion")}
    assert {"confusion/matrix.png", "confusion/worst.png"} <= pictures

    tracked = digests("data", "models", "reports")
    run()
    assert digests("data", "models", "reports") == tracked, "tracking changed a result"
    assert "Data and pipelines are up to date" in call("dvc", "repro", **ON)
    assert sync().startswith("mlflow: up to date\n")
    assert len(client.search_runs([store()[1]])) == 6
    assert len(stage_runs()) == 5
    page = call("dvc", "plots", "show").strip().removeprefix("file://")
    for name in ("learning curve (loss)", "confusion of sums", "reliability"):
        assert name in Path(page).read_text()
    assert f"accuracy  {figures['accuracy']:.2%} of 40 test sums right" in digitsum("summary")


@pytest.mark.slow(20)
def test_three_experiments_are_three_rows(made: Path) -> None:
    call("dvc", "exp", "run", "-n", "here", "-S", "train.epochs=1", **ON)
    call("dvc", "exp", "run", "-n", "there", "--temp", "-S", "evaluate.batch_size=17", **ON)
    call("dvc", "exp", "run", "-n", "cached", "-S", "train.epochs=2", "-S", "evaluate.batch_size=250", **ON)
    sync()
    # "cached" is the committed result as well, so it may have its row from there
    found = {
        occasion.removeprefix("experiment "): row
        for row in rows()
        for occasion in json.loads(row.data.tags["digitsum.occasions"])
        if occasion.startswith("experiment ")
    }
    assert found.keys() == {"here", "there", "cached"}
    assert len(rows()) == 3
    assert {row.data.tags["digitsum.dirty"] for row in found.values()} == {"false"}
    refs = call("git", "for-each-ref", "--format=%(objectname)", "refs/exps", "refs/heads").split()
    assert {row.data.tags["mlflow.source.git.commit"] for row in found.values()} <= set(refs)

    here, there, cached = (children(found[name]) for name in ("here", "there", "cached"))
    assert here["train"].info.run_name == f"{found['here'].info.run_name}: train"
    assert there["train"].info.run_name == f"{found['there'].info.run_name}: train (restored)"
    assert "- `train.epochs 2 -> 1`" in found["here"].data.tags["mlflow.note.content"]
    client, _ = store()
    for row in found.values():  # the curve of a restored stage is that of the run that computed it, or of its file
        assert len(client.get_metric_history(row.info.run_id, "train_loss")) in (6, 12)
    assert there["train"].data.tags["digitsum.computed_by"] == here["train"].info.run_id
    took = (here["train"].info.end_time - here["train"].info.start_time) / 1000
    assert float(there["train"].data.tags["digitsum.saved_seconds"]) == pytest.approx(took, abs=0.1)
    assert here["train"].info.run_id in there["train"].data.tags["mlflow.note.content"]
    assert there["evaluate"].data.params["evaluate.batch_size"] == "17"
    assert {run.data.tags["digitsum.restored"] for run in cached.values()} == {"true"}

    assert sync().startswith("mlflow: up to date\n")
    assert found["there"].info.run_id in digitsum("trace", "there")
    call("git", "checkout", "-q", ".")
    call("dvc", "exp", "apply", "here", **ON)
    assert sync().startswith("mlflow: up to date\n")
    (row,) = (row for row in rows() if row.data.tags["digitsum.experiment"] == "here")
    occasions = json.loads(row.data.tags["digitsum.occasions"])
    assert "experiment here" in occasions
    assert any(occasion.startswith("workspace on") for occasion in occasions)


def test_what_the_next_repro_overwrites_has_a_row(made: Path) -> None:
    """dvc.lock holds one result alone; each of these is in it for a moment."""
    for size in (17, 23):
        change(made, "evaluate", batch_size=size)
        call("dvc", "repro", **ON)
    change(made, "evaluate", batch_size=250)
    call("dvc", "repro", **ON)  # from the cache
    sync()
    assert {row.data.params["evaluate.batch_size"] for row in rows()} == {"17", "23", "250"}
    dirty = {row.data.params["evaluate.batch_size"]: row.data.tags["digitsum.dirty"] for row in rows()}
    assert dirty == {"17": "true", "23": "true", "250": "false"}
    client, _ = store()
    (row,) = (row for row in rows() if row.data.params["evaluate.batch_size"] == "17")
    assert "+  batch_size: 17" in Path(client.download_artifacts(row.info.run_id, "changes.patch")).read_text()


@pytest.mark.slow(20)
def test_two_queue_workers_on_a_fresh_store(made: Path) -> None:
    Path("mlflow.db").unlink()
    for size in (17, 23):
        call("dvc", "exp", "run", "--queue", "-n", f"size-{size}", "-S", f"evaluate.batch_size={size}", **ON)
    # a worker has the output of who starts it, and now and then does not end with the queue
    words = ["dvc", "queue", "start", "-j", "2"]
    subprocess.run(words, env=os.environ | ON, stdout=DEVNULL, stderr=DEVNULL, check=True)
    try:
        while "Queued" in (status := call("dvc", "queue", "status")) or "Running" in status:
            time.sleep(1)
    finally:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if "queue-worker" in (process.info["cmdline"] or ()) and process.info["cwd"] == str(made):
                process.kill()
    assert status.count("Success") == 2, status
    sync()
    assert {row.data.tags["digitsum.experiment"] for row in rows()} >= {"size-17", "size-23"}
    assert all(run.info.status == "FINISHED" for row in rows() for run in children(row).values())


def test_results_of_other_commits_and_of_a_colleague(made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    change(made, "evaluate", batch_size=17)
    call("dvc", "repro")
    call("git", "commit", "-qam", "second")
    remote = tmp_path_factory.mktemp("remote")
    call("dvc", "remote", "add", "-d", "shared", str(remote))
    call("git", "commit", "-qam", "remote")
    call("dvc", "push", "-q")

    mine = tmp_path_factory.mktemp("mine") / "clone"
    call("git", "clone", "-q", str(made), str(mine))
    os.chdir(mine)
    assert "1 row added" in sync()
    assert rows()[0].data.params["evaluate.batch_size"] == "17"
    client, experiment = store()
    assert not client.search_logged_models([experiment])
    call("dvc", "pull", "-q", "models/model.safetensors")
    sync()  # logs the model, and knows no curve yet
    call("dvc", "pull", "-q")
    for _ in range(2):
        assert sync().startswith("mlflow: up to date\n")
        (logged,) = client.search_logged_models([experiment])
        (row,) = rows()
        assert [model.model_id for model in row.outputs.model_outputs] == [logged.model_id]
        figures = {metric.key: metric.value for metric in logged.metrics}
        assert figures == pytest.approx({name: row.data.metrics[name] for name in figures})
        assert len(client.get_metric_history(row.info.run_id, "accuracy")) == 1
        assert [point.step for point in client.get_metric_history(row.info.run_id, "val_accuracy")] == [6, 12]
        assert [point.step for point in client.get_metric_history(row.info.run_id, "train_loss")] == list(range(1, 13))
    assert "1 row added: " in sync("--history")
    assert sync("--history").startswith("mlflow: up to date\n")
    assert {row.data.params["evaluate.batch_size"] for row in rows()} == {"17", "250"}

    call("git", "checkout", "-q", "HEAD~2")
    call("dvc", "pull", "-q")
    assert sync().startswith("mlflow: up to date\n")


def test_what_changed_since_and_half_of_a_pipeline_are_not_taken_for_the_result(made: Path) -> None:
    change(made, "evaluate", batch_size=17)
    assert "1 row added" in sync()
    (row,) = rows()
    assert row.data.params["evaluate.batch_size"] == "250"
    assert row.data.tags["digitsum.dirty"] == "false"

    params = made / "digitsum" / "params" / "loader.py"
    params.write_text(params.read_text() + "# no change\n")
    call("dvc", "repro", "preprocess")
    assert sync() == "mlflow: up to date\nresult: none in dvc.lock; dvc repro makes one\n"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stages/confusion.py", "def main()", "# no change\ndef main()"),
        ("dvc.yaml", "python -m stages.confusion", "python -u -m stages.confusion"),
    ],
)
def test_code_changed_since_the_commit_is_a_dirty_row_with_its_patch(made: Path, file: str, old: str, new: str) -> None:
    (made / file).write_text((made / file).read_text().replace(old, new))
    call("dvc", "repro", **ON)
    sync()
    (row,) = rows()
    assert row.data.tags["digitsum.dirty"] == "true"
    client, _ = store()
    assert new.partition("\n")[0] in Path(client.download_artifacts(row.info.run_id, "changes.patch")).read_text()
    call("git", "commit", "-qam", "code")
    assert sync().startswith("mlflow: up to date\n")
    (row,) = rows()
    assert row.data.tags["digitsum.dirty"] == "false"
    assert row.data.tags["mlflow.source.git.commit"] == call("git", "rev-parse", "HEAD").strip()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_killed_run_does_not_stay_running(made: Path, end: signal.Signals) -> None:
    change(made, "train", epochs=10_000)
    with start(sys.executable, "-m", "stages.train", **ON) as train:
        wait_for(train, "epoch 1/")
        train.send_signal(end)
    sync()
    (record,) = stage_runs()
    assert record.info.status == "KILLED"


def test_failed_run_says_why(repository: Path) -> None:
    change(repository, "ingest", source="npy")
    said = call("python", "-m", "stages.ingest", code=1, **ON)
    assert said == "error: data/external: no data0.npy with its lab0.npy; put the data set's files there\n"
    sync()
    (record,) = stage_runs()
    assert record.info.status == "FAILED"
    assert record.data.tags["digitsum.error"] in said


def test_switched_off_leaves_nothing(made: Path) -> None:
    Path("mlflow.db").unlink()
    change(made, "confusion", examples=3)
    call("dvc", "repro")
    assert sync(DIGITSUM_TRACKING="off") == ""
    assert not Path("mlflow.db").exists()
    assert not Path(".digitsum/outbox").exists()


@pytest.mark.slow(20)
def test_frozen_server_delays_nothing_and_loses_nothing(made: Path, mlflow_server: Opener) -> None:
    change(made, "train", epochs=30)
    with mlflow_server(f"sqlite:///{made / 'other.db'}", made / "artifacts") as uri:
        there = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
        with start("python", "-m", "stages.train", warm=True, **(ON | there)) as train:
            wait_for(train, "epoch 5/")
            with frozen(uri):
                train.communicate(timeout=120)  # a stage that waited for the server would never end
                assert train.returncode == 0
                said = digitsum("sync", code=1, **there)
        assert said.startswith(f"error: {uri}: the MLflow store cannot be used (")
        assert "1 runs wait in .digitsum/outbox" in said
        sync(**(there | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}))
        client, _ = store(uri)
        (record,) = stage_runs(uri)
        history = client.get_metric_history(record.info.run_id, "val_accuracy")
        assert [metric.step for metric in history] == list(range(6, 181, 6))


@pytest.fixture
def broken_server() -> Iterator[str]:
    """Answers 500 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)

        do_POST = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_server_that_answers_500_or_not_at_all(made: Path, broken_server: str) -> None:
    confusion = ("python", "-m", "stages.confusion")
    for uri in (broken_server, "http://127.0.0.1:9"):
        call(*confusion, **ON, MLFLOW_TRACKING_URI=uri)
        said = digitsum("sync", code=1, MLFLOW_TRACKING_URI=uri)
        assert said.count("\n") == 1
        assert said.startswith(f"error: {uri}: the MLflow store cannot be used (")
    said = sync()  # another store goes on
    assert said.startswith("mlflow: 1 row added")
    assert said.count("its runs are kept in .digitsum/outbox") == 2


def test_result_waits_for_the_store_that_it_was_made_for(made: Path) -> None:
    remember("http://127.0.0.1:9")
    change(made, "evaluate", batch_size=17)
    call("dvc", "repro")
    sync()
    assert [row.data.params["evaluate.batch_size"] for row in rows()] == ["17"]
    (kept,) = remembered("http://127.0.0.1:9")
    assert kept[1].params["evaluate"]["batch_size"] == 250


def test_what_sync_cannot_work_with(repository: Path) -> None:
    kept = repository / ".digitsum" / "results" / "older.json"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"lock": ""}')
    aside = "mlflow: .digitsum/outbox/aside-older.json: not a result that this version wrote; it is set aside"
    assert aside in sync()
    assert "aside" not in sync()
    assert sync().endswith("result: none in dvc.lock; dvc repro makes one\n")
    Path("dvc.lock").touch()
    assert sync().endswith("result: none in dvc.lock; dvc repro makes one\n")
    assert digitsum("sync", code=1, DIGITSUM_TRACKING="no") == "error: DIGITSUM_TRACKING=no: must be on or off\n"
    shutil.rmtree(".git")
    assert digitsum("sync", code=1) == (
        f"error: {repository}: not a git repository; results are identified by their commits: git init\n"
    )


def test_model_in_mlflow(made: Path) -> None:
    sync()
    (row,) = rows()
    client, experiment = store()
    (logged,) = client.search_logged_models([experiment])
    figures = {metric.key: metric.value for metric in logged.metrics}
    assert figures == pytest.approx({name: row.data.metrics[name] for name in figures})
    assert "accuracy" in figures
    assert logged.params["model.head"] == "columns"
    assert logged.tags["mlflow.note.content"].startswith("Sum of 4 handwritten digits: columns on small, ")
    card = Path(mlflow.artifacts.download_artifacts(f"{logged.artifact_location}/README.md")).read_text()
    assert logged.model_id in card
    assert f"| {figures['accuracy']:.2%} |" in card
    lock = Path("dvc.lock").read_text()
    assert all(metric.dataset_digest in lock for metric in logged.metrics)
    assert [model.model_id for model in row.outputs.model_outputs] == [logged.model_id]

    mlflow.set_tracking_uri(client.tracking_uri)
    served = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    images = np.load("data/processed/test/strips.npy")[:7]
    expected = predict(read_model(Path("models/model.safetensors")), images)
    for count in (7, 1, 0):
        said = served.predict(images[:count])
        assert (said["sum"] == expected.log_probability[:count].argmax(1)).all()
        assert said["probability"] == pytest.approx(np.exp(expected.log_probability[:count].max(1)), rel=1e-4)
        assert (said["digits"] == expected.digits[:count]).all()
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        served.predict(images[:, :, :-1])
    with pytest.raises(mlflow.exceptions.MlflowException, match="type"):
        served.predict(images.astype(np.float64))
    files = [path for path in Path("mlartifacts").rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]
    assert not files


def test_model_that_was_deleted_in_mlflow_is_logged_again(made: Path) -> None:
    sync()
    client, experiment = store()
    (first,) = client.search_logged_models([experiment])
    client.delete_logged_model(first.model_id)
    for _ in range(2):
        sync()
        (second,) = client.search_logged_models([experiment])
        assert "accuracy" in {metric.key for metric in second.metrics}
        (row,) = map(Run.read, rows())
        assert row.models == (second.model_id, first.model_id)


def test_server_of_their_own_with_postgresql_and_s3(
    made: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, postgres_and_s3: Opener
) -> None:
    Path("mlflow.db").unlink()
    change(made, "evaluate", batch_size=17)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # else its library warns
    with postgres_and_s3(tmp_path_factory.mktemp("servers")) as (uri, objects):
        there = {"MLFLOW_TRACKING_URI": uri}
        call("dvc", "repro", **(ON | there))
        sync(**there)
        (row,) = rows(uri)
        assert row.data.params["evaluate.batch_size"] == "17"
        assert children(row, uri)["evaluate"].info.run_name == f"{row.info.run_name}: evaluate"
        client, experiment = store(uri)
        (logged,) = client.search_logged_models([experiment])
        assert logged.metrics
        names = objects()
        assert any(name.endswith("dvc.lock") for name in names)
        assert any(name.endswith("model.safetensors") for name in names)
        assert sync(**there).startswith("mlflow: up to date\n")
        said = digitsum("trace", "models/model.safetensors", **there)
        assert row.info.run_id in said
        assert f"{uri}/#/" in digitsum("ui", **there)
    assert not Path("mlflow.db").exists()


def test_trace_both_ways(made: Path) -> None:
    sync()
    (row,) = rows()
    client, experiment = store()
    (logged,) = client.search_logged_models([experiment])
    names = (row.info.run_id, row.info.run_id[:12], row.info.run_name)
    ends = (*names, "HEAD", "models/model.safetensors", f"models:/{logged.model_id}")
    accounts = {digitsum("trace", end) for end in ends}
    (account,) = accounts
    lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
    md5 = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]}
    for path in ("data/raw", "data/processed", "models/model.safetensors"):
        assert f"{md5[path]:<36}  {path}" in account
    assert row.data.tags["mlflow.source.git.commit"] in account
    assert "train.epochs = 2" in account
    (child,) = (run for name, run in children(row).items() if name == "train")
    assert digitsum("trace", child.info.run_id) == account
    assert row.info.run_id in digitsum("trace", "--data", md5["data/processed"])

    for words, beginning in (
        (["nothing"], "error: nothing: no such run, model or file; "),
        (["models:/digitsum@champion"], "error: models:/digitsum@champion: no such model; "),
        (["requirements.lock"], "error: requirements.lock: no row has this file (MD5 "),
        (["dvc.yaml"], "error: dvc.yaml: not a recipe; "),
        (["--data", "0" * 32], f"error: {'0' * 32}: no result has data with this checksum; "),
        (["--data", "%"], "error: '%': not a checksum; "),
        (["it's"], "error: it's: no such run, model or file; "),
    ):
        said = digitsum("trace", *words, code=1)
        assert said.startswith(beginning)
        assert said.count("\n") == 1


def test_commands_of_trace_bring_a_dirty_result_back_in_a_worktree(made: Path) -> None:
    change(made, "confusion", examples=7)
    code = Path("stages/confusion.py")
    code.write_text(code.read_text() + "# no change\n")
    call("dvc", "repro", **ON)
    sync()
    (row,) = rows()
    there = {path: Path(path).read_text() for path in ("params.yaml", "dvc.lock", "reports/report.html", str(code))}
    change(made, "confusion", examples=8)  # the user goes on
    before = checkout(made)
    account = digitsum("trace", row.info.run_id)
    assert account.index("again") < account.index("confusion.examples = 7  (2 by default)") < account.index("code")
    tree = made.with_name(f"{made.name}-{row.info.run_id[:8]}")
    follow(account)
    assert checkout(made) == before
    assert yaml.safe_load((tree / "params.yaml").read_text()) == yaml.safe_load(there.pop("params.yaml"))
    assert {path: (tree / path).read_text() for path in there} == there
    with chdir(tree):
        assert "Data and pipelines are up to date" in call("dvc", "repro")
        assert call("git", "status", "--porcelain", "-uall").count("??") == 0


def follow(account: str) -> None:
    """Run the commands that trace prints, in one shell."""
    lines = account[account.index("again") :].splitlines()[1:]
    commands = [line.strip() for line in lines[: next(n for n, line in enumerate(lines) if not line.startswith(" "))]]
    call("sh", "-ec", "\n".join(commands))


def checkout(folder: Path) -> list[object]:
    """What must not change in a user's repository."""
    status = call("git", "status", "--porcelain")  # first, since it refreshes the index
    return [status, *((folder / ".git" / name).read_bytes() for name in ("HEAD", "index", "config"))]


@pytest.mark.slow(20)
def test_project_in_a_subfolder_of_a_repository(
    made: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = tmp_path_factory.mktemp("outer")
    shutil.copytree(made, outer / "a project", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    monkeypatch.chdir(outer / "a project")
    call("git", "-C", str(outer), "init", "-q")
    for name, value in {"user.email": "a@example.org", "user.name": "A"}.items():
        call("git", "config", name, value)
    call("git", "add", "-A")
    call("git", "commit", "-qm", "result")
    assert "mlflow: 1 row added: " in sync()
    change(Path(), "confusion", examples=7)
    code = Path("stages/confusion.py")
    code.write_text(code.read_text() + "# no change\n")
    call("dvc", "repro", **ON)
    assert "1 row added" in sync()
    clean, dirty = sorted(rows(), key=lambda row: row.data.tags["digitsum.dirty"])
    assert [row.data.tags["digitsum.dirty"] for row in (clean, dirty)] == ["false", "true"]
    assert clean.info.run_id in digitsum("trace", "HEAD")
    assert digitsum("reproduce", dirty.info.run_id).endswith("identical: every stage made the same bytes\n")
    follow(digitsum("trace", dirty.info.run_id))
    tree = outer.with_name(f"{outer.name}-{dirty.info.run_id[:8]}") / "a project"
    assert (tree / code).read_text() == code.read_text()
    with chdir(tree):
        assert "Data and pipelines are up to date" in call("dvc", "repro")


@pytest.mark.slow(20)
def test_reproduce_is_identical_and_names_the_first_stage_that_is_not(made: Path) -> None:
    call("dvc", "exp", "run", "--temp", "-n", "gone", "-S", "confusion.examples=7", **ON)
    sync()
    (row,) = (row for row in rows() if row.data.tags["digitsum.experiment"] == "gone")
    call("dvc", "exp", "remove", "gone")
    call("git", "gc", "-q", "--prune=now")
    call("git", "rev-parse", "--verify", "-q", f"{row.data.tags['mlflow.source.git.commit']}^{{commit}}", code=1)
    before = checkout(made)
    # as git sets them for `git rebase --exec` in a worktree, for hooks and for aliases
    mine = {"GIT_DIR": str(made / ".git"), "GIT_WORK_TREE": str(made), "GIT_INDEX_FILE": str(made / ".git" / "index")}
    said = digitsum("reproduce", row.info.run_id, **mine)
    assert said.endswith("identical: every stage made the same bytes\n")
    assert checkout(made) == before
    client, _ = store()
    assert client.get_run(row.info.run_id).data.tags["digitsum.reproduced"].startswith("identical")

    lock = yaml.safe_load(Path(client.download_artifacts(row.info.run_id, "dvc.lock")).read_text())
    for stage in ("train", "evaluate"):
        lock["stages"][stage]["outs"][0]["md5"] = "0" * 32
    client.log_text(row.info.run_id, yaml.safe_dump(lock), "dvc.lock")
    said = digitsum("reproduce", row.info.run_id, code=1)
    assert "diverges first at train, on a machine and environment that must give the same bytes" in said
    assert client.get_run(row.info.run_id).data.tags["digitsum.reproduced"].startswith("diverges first at train")
    assert call("git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("weights", "accuracy", "bytes_expected", "holds"),
    [
        ("the same", 0.97925, True, True),
        ("others", 0.97925, True, False),  # on one machine they must be the same
        ("others", 0.9915, False, True),  # the default on another processor
        ("others", 0.95, False, False),
        ("others", math.nan, False, False),
    ],
)
def test_other_machines_must_come_near(weights: str, accuracy: float, bytes_expected: bool, holds: bool) -> None:
    then, now = ({"train": {"outs": {"models": made}}} for made in ("the same", weights))
    verdict = compare(then, now, (0.97925, accuracy), bytes_expected)
    assert verdict.holds == holds
    assert ("diverges first at train" in str(verdict)) == (weights == "others")
