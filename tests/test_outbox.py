"""CutError off anywhere and called again, nothing is told twice and nothing is left out."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shell import call

from digitsum.formats import load_yaml
from digitsum.tracking.recording import sender
from digitsum.tracking.recording.outbox import Parcel, Process, parcels
from digitsum.tracking.recording.tracker import OutboxTracker
from digitsum.tracking.results import checksums, patches
from digitsum.tracking.results.result import Result, essence
from digitsum.tracking.rows.models import ModelForm
from digitsum.tracking.rows.rows import Rows
from digitsum.tracking.rows.store import connect, experiment_id


class CutError(Exception):
    pass


class Unreliable:
    """An MLflow client whose connection is cut after so many calls that write: before or after the last of them."""

    def __init__(self, client: Any, calls: int, after: bool):
        self._client, self._left, self._after = client, calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not name.startswith(("log_", "create_", "set_", "finalize_")):
            return method

        def called(*given: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise CutError
            result = method(*given, **named)
            if self._left == 0:
                raise CutError
            return result

        return called


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Any, str]:
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(empty_store, folder / "mlflow.db")
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    return client, client.create_experiment("cut", (folder / "artifacts").as_uri())


def write_parcel(uri: str) -> Parcel:
    with Parcel.begin(uri, "train", {"digitsum.stage": "train"}) as parcel:
        parcel.add("params", values={f"train.p{number}": "1" for number in range(150)})
        for step in range(1, 4):
            parcel.add("metrics", values={"loss": 1 / step, "accuracy": 0.5}, step=step)
        parcel.add("data", path="data/raw", digest="0" * 32 + ".dir", context="training")
        parcel.add_text("note.txt", "hello")
        parcel.add("tags", values={"torch": "2"})
        parcel.add("end", status="FINISHED")
    return parcel


@pytest.mark.parametrize("after", [False, True])
def test_parcel_is_sent_once(
    store: tuple[Any, str], after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sender, "BATCH", 2)
    client, experiment = store
    for calls in range(1, 30):
        parcel = write_parcel(client.tracking_uri)
        name = parcel.folder.name
        cut = sender.Sender()
        cut._stores[client.tracking_uri] = Unreliable(client, calls, after), experiment
        try:
            cut.send(parcel)
        except CutError:
            again = sender.Sender()
            again._stores[client.tracking_uri] = client, experiment
            again.send(parcel)
            ended = False
        else:
            ended = True
        assert parcels() == []
        (run,) = client.search_runs([experiment], f"tags.`digitsum.parcel` = '{name}'")
        assert run.info.status == "FINISHED"
        assert len(run.data.params) == 150
        assert run.data.tags["torch"] == "2"
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
        assert len(run.inputs.dataset_inputs) == 1
        assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["note.txt"]
        if ended:
            return
    raise AssertionError("never sent without a cut")


def test_experiment_of_a_relative_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    client = connect("sqlite:///mlflow.db")
    location = client.get_experiment(experiment_id(client)).artifact_location
    assert location == (tmp_path / "mlartifacts").as_uri()


def a_result(key: str) -> Result:
    stages = {
        "make": {"cmd": "m", "params": {"params.yaml": {"p": {"q": 1}}}, "outs": [{"path": "data/raw", "md5": key}]},
        "judge": {
            "cmd": "j",
            "deps": [{"path": "data/raw", "md5": key}, {"path": "code.py", "md5": "c" * 32}],
            "outs": [{"path": "reports/m.json", "md5": "5" * 32}, {"path": "models/m", "md5": "d" * 32}],
        },
    }
    lock = json.dumps({"stages": stages})
    pipeline = json.dumps({"stages": {"make": {}, "judge": {"metrics": ["reports/m.json"]}}})
    figures = {"reports/m.json": '{"accuracy": 0.75, "mistakes": 3}'}
    return Result(
        lock, pipeline, figures, "commit 1", None, key[::-1] + "0" * 8, True, "0" * 40, "diff", 1_700_000_000_000
    )


@pytest.mark.parametrize("after", [False, True])
def test_row_is_added_once(store: tuple[Any, str], after: bool, tmp_path: Path) -> None:
    client, experiment = store
    model = client.create_logged_model(experiment, "m", None, {"digitsum.md5": "d" * 32}).model_id
    client.finalize_logged_model(model, "READY")
    form = ModelForm("models/m", "loader", tmp_path, (), lambda _: ([], []))
    for calls in range(1, 30):
        result = a_result(f"{calls:031x}{int(after)}")
        made = client.create_run(
            experiment, tags={"digitsum.stage": "make", "digitsum.made": result.stage_key("make")}, run_name="make"
        )
        client.set_terminated(made.info.run_id, "FINISHED")
        try:
            ended = Rows(Unreliable(client, calls, after), experiment, form).add(result)
        except CutError:
            ended = False
        rows = Rows(client, experiment, form)
        rows.add(result)
        assert not rows.add(result)
        (row,) = rows.find(digitsum__result=result.key)
        assert row.info.status == "FINISHED"
        assert row.data.metrics == {"accuracy": 0.75, "mistakes": 3}
        assert row.data.params == {"p.q": "1"}
        assert rows.models_of(row) == [model]
        runs = rows.find(mlflow__parentRunId=row.info.run_id)
        assert sorted(run.info.run_name for run in runs) == ["judge (restored)", "make"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        files = {item.path for item in client.list_artifacts(row.info.run_id)}
        assert files == {"dvc.lock", "changes.patch"}
        if ended:
            return
    raise AssertionError("never added without a cut")


def test_run_of_other_params_with_the_same_outs_stays_where_it_is(store: tuple[Any, str]) -> None:
    client, experiment = store
    rows, result = Rows(client, experiment), a_result("e" * 32)
    tags = {"digitsum.stage": "make", "digitsum.made": "of other params", "digitsum.outs": result.outs_key("make")}
    other = client.create_run(experiment, tags=tags, run_name="make").info.run_id
    client.set_terminated(other, "FINISHED")
    for _ in range(2):
        rows.add(result)
        (row,) = rows.find(digitsum__result=result.key)
        (child,) = rows.find(mlflow__parentRunId=row.info.run_id, digitsum__stage="make")
        assert child.data.tags["digitsum.computed_by"] == other
        assert "mlflow.parentRunId" not in client.get_run(other).data.tags


def test_row_that_a_person_deleted_does_not_come_back(store: tuple[Any, str]) -> None:
    client, experiment = store
    rows, result = Rows(client, experiment), a_result("d" * 32)
    assert rows.add(result)
    (row,) = rows.find(digitsum__result=result.key)
    client.delete_run(row.info.run_id)
    assert not rows.add(result)
    assert not rows.find(digitsum__result=result.key)
    client.restore_run(row.info.run_id)
    assert not rows.add(result)
    assert [run.info.run_id for run in rows.find(digitsum__result=result.key)] == [row.info.run_id]


def test_parcel_that_is_sent_goes_however_it_was_cut(
    store: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client, experiment = store
    parcel = write_parcel(client.tracking_uri)
    parcel.mark_sent(len(parcel.events()))  # as far as it came
    again = sender.Sender()
    again._stores[client.tracking_uri] = client, experiment
    again.send(parcel)
    assert parcels() == []


def test_line_that_was_cut_off_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Parcel.begin("sqlite:///x.db", "train", {}) as parcel:
        for step in range(3):
            parcel.add("metrics", values={"loss": 1.0}, step=step)
        file = parcel.folder / "events.jsonl"
        text = file.read_text()
        whole = parcel.events()
        for length in range(len(text) - 200, len(text)):
            file.write_text(text[:length])
            assert parcel.events() == whole[: text[:length].count("\n")]
        lines = text.splitlines(keepends=True)
        file.write_text("".join([*lines[:2], lines[2][:9], *lines[3:]]))  # as a full disk leaves it
        assert parcel.events() == whole[:2]
        file.write_text("".join([lines[0][:9], *lines[1:]]))
        assert parcel.events() == []


def test_run_lives_as_long_as_its_block_and_ends_as_killed_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Parcel.begin("sqlite:///x.db", "train", {}) as parcel:
        assert parcel.alive
        assert [event["kind"] for event in parcel.events()] == ["start"]
    assert not parcel.alive
    assert [event["kind"] for event in parcel.events()] == ["start", "end"]
    assert parcel.events()[-1]["status"] == "KILLED"


def test_outbox_that_is_gone_does_not_end_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Parcel.begin("sqlite:///x.db", "train", {}) as parcel:
        tracker = OutboxTracker(parcel)
        shutil.rmtree(".digitsum")
        for step in range(3):
            tracker.metrics({"loss": 1.0}, step)
        tracker.file(Path(__file__))
    said = capsys.readouterr().err
    assert said.startswith("warning: the rest of this run is not recorded (")
    assert said.count("\n") == 1


def test_process_is_told_from_another_with_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = Process.of(psutil.Process(child.pid))
        assert process.alive
        assert not Process(process.host, process.pid, process.started - 10).alive
        child.kill()
        child.wait()
        assert not process.alive
    assert not Process("elsewhere", os.getpid(), psutil.Process().create_time()).alive


@pytest.mark.slow
def test_checksums_are_those_of_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call("dvc", "init", "-q", "--no-scm")
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("data/b", "data/a.txt", "data/deep/ä ö", "file"):
        (tmp_path / name).write_text(name)
    call("dvc", "add", "-q", "data", "file")
    for name in ("data", "file"):
        (out,) = load_yaml(Path(f"{name}.dvc").read_text())["outs"]
        assert checksums.checksum(Path(name)) == out["md5"]


sections = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-1, 1), st.text("xyz: #", max_size=4))
    | st.lists(st.integers(0, 9), max_size=3),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@example({"b": 3.56145561758139e-134}, {"a": None}, False)
@given(sections, sections, st.booleans())
def test_patch_of_params_makes_them_those_of_the_result(before: dict, after: dict, cut: bool) -> None:
    text = "# kept\n" + yaml.safe_dump({"s": before, "t": {"u": 1}})[: -1 if cut else None]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "params.yaml").write_text(text)
        if patch := patches.of_params(text, {"s": after}):
            subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=folder, check=True)
        made = load_yaml((Path(folder) / "params.yaml").read_text())
    assert made == {"s": before | after, "t": {"u": 1}}


def test_patch_does_not_depend_on_the_settings_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"user.email": "a@example.org", "user.name": "A", "diff.noprefix": "true", "color.ui": "always"}
    call("git", "init", "-q")
    for name, value in (settings | {"diff.external": "false"}).items():
        call("git", "config", name, value)
    files = {"params.yaml": "s: {a: 1}\n", "dvc.yaml": "stages: {}\n", "code.py": "one\n"}
    for name, text in files.items():
        Path(name).write_text(text)
    call("git", "add", "-A")
    call("git", "commit", "-qm", "first")
    Path("code.py").write_text("two")
    Path("new.py").write_text("three")
    code = {name: checksums.checksum(Path(name)) for name in ("code.py", "new.py")}
    patch = patches.of_workspace("HEAD", code, {"s": {"a": 2}})
    call("git", "clone", "-q", ".", "clone")
    subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd="clone", check=True)
    assert {name: checksums.checksum(Path("clone") / name) for name in code} == code
    assert load_yaml(Path("clone/params.yaml").read_text()) == {"s": {"a": 2}}


def test_essence_leaves_out_sizes() -> None:
    lock = '{"stages": {"a": {"cmd": "c", "outs": [{"path": "o", "md5": "1", "size": %d}]}}}'
    assert essence(lock % 1) == essence(lock % 2)


def test_experiment_is_made_once(tmp_path: Path) -> None:
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    first = experiment_id(client)
    client.delete_experiment(first)
    assert experiment_id(client) == first
    assert client.get_experiment(first).lifecycle_stage == "active"
