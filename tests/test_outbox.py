"""Cut off anywhere and called again, recording sends nothing twice and leaves nothing out; and it ends no stage."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shell import call
from tracked import a_result, write_parcel

from digitsum.dependencies import neighbors
from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.locks import Lock, alone, locked
from digitsum.tracking.recording import outbox, sender
from digitsum.tracking.recording.outbox import Parcel, Process, parcels
from digitsum.tracking.recording.tracker import OutboxTracker, tracked
from digitsum.tracking.results import checksums, patches
from digitsum.tracking.results.dvc_files import essence
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.contents import Contents
from digitsum.tracking.rows.models import ModelForm
from digitsum.tracking.rows.store import Store


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
def store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Store:
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(empty_store, folder / "mlflow.db")
    return Store.at(f"sqlite:///{folder / 'mlflow.db'}")


def cut(store: Store, calls: int, after: bool) -> Store:
    return Store(Unreliable(store.client, calls, after), store.experiment)


@pytest.mark.parametrize("after", [False, True])
def test_parcel_is_sent_once(store: Store, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sender, "BATCH", 2)
    client = store.client
    for calls in range(1, 30):
        parcel = write_parcel(store.uri)
        name = parcel.folder.name
        try:
            sender.Sender(cut(store, calls, after)).send(parcel)
        except CutError:
            sender.Sender(store).send(parcel)
            ended = False
        else:
            ended = True
        assert parcels() == []
        (run,) = client.search_runs([store.experiment], f"tags.`digitsum.parcel` = '{name}'")
        assert run.info.status == "FINISHED"
        assert len(run.data.params) == 150
        assert run.data.tags["torch"] == "2"
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
        assert len(run.inputs.dataset_inputs) == 1
        assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["note.txt"]
        if ended:
            return
    raise AssertionError("never sent without a cut")


def test_experiment_of_a_relative_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, "mlflow.db")
    store = Store.at("sqlite:///mlflow.db")
    location = store.client.get_experiment(store.experiment).artifact_location
    assert location == (tmp_path / "mlartifacts").as_uri()


@pytest.mark.parametrize("after", [False, True])
def test_row_is_added_once(store: Store, after: bool, tmp_path: Path) -> None:
    client = store.client
    model = client.create_logged_model(store.experiment, "m", None, {"digitsum.md5": "d" * 32}).model_id
    client.finalize_logged_model(model, "READY")
    form = ModelForm("models/m", "loader", tmp_path, (), lambda _: ([], []), ("p",), lambda *_: "", lambda *_: "")
    contents = Contents(form, (), (), lambda page, _: page)
    for calls in range(1, 30):
        result = a_result(f"{calls:031x}{int(after)}")
        made = store.begin("make", {"digitsum.stage": "make", "digitsum.made": result.stage_key("make")}, 1)
        store.end(made, "FINISHED", 2)
        try:
            ended = add(cut(store, calls, after), result, contents)
        except CutError:
            ended = False
        add(store, result, contents)
        assert not add(store, result, contents)
        (row,) = store.runs({"digitsum.result": result.key})
        assert row.status == "FINISHED"
        assert row.metrics == {"accuracy": 0.75, "mistakes": 3}
        assert row.params == {"p.q": "1"}
        assert row.models == (model,)
        runs = store.runs({"mlflow.parentRunId": row.id})
        assert sorted(run.name for run in runs) == [f"{row.name}: judge (restored)", f"{row.name}: make"]
        assert {run.status for run in runs} == {"FINISHED"}
        assert store.artifacts(row.id) == {"dvc.lock", "changes.patch"}
        if ended:
            return
    raise AssertionError("never added without a cut")


def test_run_of_other_params_with_the_same_outs_stays_where_it_is(store: Store) -> None:
    result = a_result("e" * 32)
    tags = {"digitsum.stage": "make", "digitsum.made": "with other params", "digitsum.outs": result.outs_key("make")}
    other = store.begin("make", tags, 1)
    store.end(other, "FINISHED", 2)
    for _ in range(2):
        add(store, result)
        (row,) = store.runs({"digitsum.result": result.key})
        (child,) = store.runs({"mlflow.parentRunId": row.id, "digitsum.stage": "make"})
        assert child.tags["digitsum.computed_by"] == other
        found = store.run(other)
        assert found is not None
        assert "mlflow.parentRunId" not in found.tags


def test_row_that_a_user_deleted_does_not_come_back(store: Store) -> None:
    result = a_result("d" * 32)
    assert add(store, result)
    (row,) = store.runs({"digitsum.result": result.key})
    store.delete(row.id)
    assert not add(store, result)
    assert not store.runs({"digitsum.result": result.key})
    store.client.restore_run(row.id)
    assert not add(store, result)
    assert [run.id for run in store.runs({"digitsum.result": result.key})] == [row.id]


@pytest.mark.parametrize("events", [None, "", '{"kind": "sta'])
def test_parcel_whose_process_died_as_it_began_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    unbegun, removed = outbox.outbox() / "1-a", outbox.outbox() / ".2-b"
    for folder in (unbegun, removed):
        folder.mkdir(parents=True)
    if events is not None:
        (unbegun / "events.jsonl").write_text(events)
    with locked(unbegun / "alive"):
        sender.Sender().send_all(parcels())
        assert parcels() == [Parcel(unbegun)]
    sender.Sender().send_all(parcels())
    assert list(outbox.outbox().iterdir()) == []


def test_parcel_that_is_taken_for_one_of_a_dead_process_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    @contextmanager
    def late(path: Path) -> Iterator[Lock]:
        with locked(path) as lock:
            if not taken:
                taken.append(path)
                shutil.rmtree(path.parent)
            yield lock

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(outbox, "locked", late)
    with Parcel.begin("sqlite:///mlflow.db", "train", {}) as parcel:
        assert parcels() == [parcel]
        assert parcel.alive
        assert [event["kind"] for event in parcel.events()] == ["start"]


def test_parcel_that_is_sent_goes_however_it_was_cut(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parcel = write_parcel(store.uri)
    parcel.mark_sent(len(parcel.events()))  # as far as it came
    sender.Sender(store).send(parcel)
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


PIPELINE = "stages: {train: {cmd: train, outs: [model]}, judge: {cmd: judge}}"


def break_recording(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break what recording needs."""
    if name == "no folder":
        (folder / ".digitsum").write_text("not a folder, so that nothing can be written there, by root either")
    elif name == "no locks":

        def refuse(_file: object, _operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)  # no file system here lacks them
    elif name == "no interpreter":
        monkeypatch.setattr(sys, "executable", str(folder / "python"))


@pytest.mark.parametrize(
    ("fault", "warning"),
    [
        ("no folder", "this run is not recorded ("),
        ("no locks", "this run is not recorded ("),
        ("no interpreter", "no process sends this run to MLflow ("),
    ],
)
def test_stage_that_cannot_be_recorded_runs_to_its_end(
    fault: str,
    warning: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("params.yaml").write_text("train: {}\n")
    break_recording(fault, tmp_path, monkeypatch)
    with tracked("train") as tracker:
        tracker.params("train", {"epochs": 1})
        tracker.metrics({"loss": 1.0})
        Path("model").write_text("weights")
        tracker.file(Path("model"))
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {warning}")
    assert said.count("\n") == 1
    ends = [parcel.events()[-1]["status"] for parcel in parcels()]
    assert ends == (["FINISHED"] if fault == "no interpreter" else [])


@pytest.mark.parametrize("switch", ["on", "off"])
@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (PIPELINE, "dvc.yaml: no stage polish, only train, judge; add it before you run it"),
        ("stages: [", r"dvc.yaml: not readable as a pipeline \("),
        ("a: 1", r"dvc.yaml: not readable as a pipeline \('stages'"),
        (None, "dvc.yaml: no such file; run stages in the folder that has it"),
    ],
)
def test_stage_that_the_pipeline_lacks_is_refused_before_any_work(
    pipeline: str | None, reason: str, switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITSUM_TRACKING", switch)
    if pipeline is not None:
        Path("dvc.yaml").write_text(pipeline)
    with pytest.raises(InputError, match=f"^{reason}"), tracked("polish"):
        raise AssertionError("work began")
    assert not Path(".digitsum").exists()


def test_lock_is_held_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with alone("one", wait=False) as held, alone("one", wait=False) as also, alone("other", wait=False) as another:
        assert (held, also, another) == (True, False, True)
    with alone("one", wait=False) as held:
        assert held
    shutil.rmtree(".digitsum")
    Path(".digitsum").touch()
    with pytest.raises(InputError, match=r"\.digitsum/locks/one: cannot be written"), alone("one"):
        pass


def test_rooms_of_tracking_keep_to_themselves() -> None:
    """Results know no MLflow, which rows alone know, and arrows go down: results, rows, recording, the rest."""
    allowed = {"results": {"results"}, "rows": {"results", "rows"}, "recording": {"results", "rows", "recording"}}
    tracking = ROOT / "digitsum" / "tracking"
    for file in sorted(tracking.rglob("*.py")):
        room = file.relative_to(tracking).parts[0]
        if room != "rows":
            assert not re.search(r"^\s*(import|from) mlflow", file.read_text(), re.MULTILINE), file
        for path in neighbors(file):
            if room in allowed and path.is_relative_to(tracking) and path.parent != tracking:
                assert path.relative_to(tracking).parts[0] in allowed[room], f"{file} imports {path}"
            assert room not in allowed or path.parent != tracking or path.name == "__init__.py", f"{file}: {path}"


def test_process_is_not_another_with_its_number() -> None:
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


def test_experiment_is_made_once(tmp_path: Path, empty_store: Path) -> None:
    uri = f"sqlite:///{shutil.copy(empty_store, tmp_path)}"
    first = Store.at(uri)
    first.client.delete_experiment(first.experiment)
    again = Store.at(uri)
    assert again.experiment == first.experiment
    assert again.client.get_experiment(again.experiment).lifecycle_stage == "active"
