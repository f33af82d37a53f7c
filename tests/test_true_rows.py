"""No row is of what was not used, and none is lost by where the project lies or by one bad run."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import change
from shell import call
from tracked import ON, a_result, children, rows, sync, write_parcel

from digitsum.errors import InputError
from digitsum.tracking.recording.outbox import Parcel, newly_aside, parcels
from digitsum.tracking.recording.sender import Sender
from digitsum.tracking.results.occurrences import remember, remembered
from digitsum.tracking.results.result import Occurrence
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.settings import embedded_store, tracking_uri
from digitsum.tracking.rows.store import Metric, Store, opened
from digitsum.tracking.rows.tags import ARITHMETIC, MADE, PACKAGES, PARENT, PLATFORM, PYTHON, RESULT, STAGE


@pytest.fixture
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a project in the current folder."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    shutil.copy(empty_store, "mlflow.db")
    return Store.at(tracking_uri())


def ran(store: Store, result: Occurrence, stage: str, start: int, machine: Mapping[str, str] | None = None) -> str:
    run = store.begin(stage, {STAGE: stage, MADE: result.stage_key(stage), **(machine or {})}, start)
    store.end(run, "FINISHED", start + 1000)
    return run


@pytest.mark.parametrize("there", [False, True])
def test_run_of_a_dvc_that_was_killed_is_no_child_of_the_result_before(store: Store, there: bool) -> None:
    """It repeated the first stage of the committed result, for another one."""
    result = a_result("a" * 32)
    if there:
        add(store, result)
    late = ran(store, result, "make", result.time + 60_000)
    add(store, result)
    found = store.run(late)
    assert found is not None
    assert "mlflow.parentRunId" not in found.tags
    (row,) = store.runs({"digitsum.result": result.key})
    assert {run.tags["digitsum.restored"] for run in store.runs({"mlflow.parentRunId": row.id})} == {"true"}
    ran(store, result, "judge", result.time + 70_000)
    add(store, result)  # all of it ran once more
    found = store.run(late)
    assert found is not None
    assert found.tags["mlflow.parentRunId"] == row.id


def test_row_of_a_commit_becomes_whole_once_its_stages_run_here(store: Store) -> None:
    """Such as after `digitsum sync` and then `dvc repro` in a new clone."""
    result = a_result("c" * 32)
    add(store, result)
    (row,) = store.runs({RESULT: result.key})
    assert row.tags[ARITHMETIC] == "fastest"
    machine = {ARITHMETIC: "portable", PYTHON: "3.11", PLATFORM: "Linux", PACKAGES: "a" * 32}
    made = {}
    for number, stage in enumerate(result.stages):
        made[ran(store, result, stage, result.time + 60_000 * number, machine)] = stage
    use = [Metric("system/cpu", 50.0 + step, result.time + 60_000 + step, step) for step in range(3)]
    loss = [Metric("loss", 1 / step, result.time + 60_000 + step, step) for step in (1, 2, 3)]
    store.log(next(iter(made)), [*loss, *use], {})

    for _ in range(2):
        add(store, result)
        (row,) = store.runs({RESULT: result.key})
        assert {run.id: run.tags[STAGE] for run in store.runs({PARENT: row.id})} == made
        assert [point.step for point in store.history(row.id, "loss")] == [1, 2, 3]
        assert len(store.history(row.id, "system/cpu")) == 3
        assert {name: row.tags[name] for name in machine} == machine
        assert row.end is not None
        assert row.end >= max(run.end or 0 for run in store.runs({PARENT: row.id}))

    again = [ran(store, result, stage, result.time + 600_000, machine) for stage in result.stages]
    store.log(again[0], [point._replace(time=point.time + 600_000) for point in [*loss, *use]], {})
    add(store, result)
    assert {run.id for run in store.runs({PARENT: row.id})} == {*made, *again}
    assert [point.step for point in store.history(row.id, "loss")] == [1, 2, 3], "the points of one run"
    assert len(store.history(row.id, "system/cpu")) == 3


def test_run_before_the_result_is_its_child(store: Store) -> None:
    result = a_result("b" * 32)
    early = ran(store, result, "make", result.time - 60_000)
    add(store, result)
    found = store.run(early)
    assert found is not None
    assert "mlflow.parentRunId" in found.tags


def test_row_that_was_deleted_for_good_does_not_come_back(store: Store) -> None:
    result = a_result("c" * 32)
    assert add(store, result)
    (row,) = store.runs({"digitsum.result": result.key})
    store.delete(row.id)
    store.client._tracking_client.store._hard_delete_run(row.id)  # as mlflow gc does
    assert not add(store, result, known=True)
    assert store.runs({"digitsum.result": result.key}) == []


@pytest.mark.parametrize("moved", [False, True])
def test_copied_and_moved_projects_use_their_own_artifacts(
    store: Store, tmp_path: Path, moved: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copies = tmp_path_factory.mktemp("copies")
    run = store.begin("a run", {}, 1)
    store.log_text(run, "before", "a.txt")
    here, there = tmp_path / "project", tmp_path / "another"
    if moved:
        here.rename(there)
    else:
        shutil.copytree(here, there)
        before = sorted(here.rglob("*"))
    other = Store.at(f"sqlite:///{there / 'mlflow.db'}")
    assert other.download(run, "a.txt", copies).read_text() == "before"
    new = other.begin("another", {}, 2)  # MLflow keeps the address of the old run's artifacts for this process
    other.log_text(new, "after", "b.txt")
    assert (there / "mlartifacts" / new / "artifacts" / "b.txt").read_text() == "after"
    if not moved:
        assert sorted(here.rglob("*")) == before
    shutil.rmtree(there)


def test_store_that_was_moved_without_its_artifacts_still_finds_them(store: Store, tmp_path: Path) -> None:
    run = store.begin("a run", {}, 1)
    store.log_text(run, "before", "a.txt")
    (tmp_path / "another").mkdir()
    shutil.move("mlflow.db", tmp_path / "another")
    other = Store.at(f"sqlite:///{tmp_path / 'another' / 'mlflow.db'}")
    assert other.download(run, "a.txt", tmp_path).read_text() == "before"
    other.log_text(other.begin("another", {}, 2), "after", "b.txt")
    assert (tmp_path / "another" / "mlartifacts").is_dir()


@pytest.mark.parametrize("name", ["a%20b", "a?b=c", "50%", "a#b", "ä b"])
def test_folder_of_any_name_has_its_store(
    name: str,
    tmp_path: Path,
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    shutil.copy(empty_store, "mlflow.db")
    assert embedded_store(tracking_uri()) == tmp_path / name / "mlflow.db"
    store = Store.at(tracking_uri())
    run = store.begin("a run", {}, 1)
    store.log_text(run, "text", "a.txt")
    assert store.download(run, "a.txt", tmp_path_factory.mktemp("copies")).read_text() == "text"
    assert (tmp_path / name / "mlartifacts").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_parcel_that_mlflow_refuses_does_not_stop_the_others(store: Store) -> None:
    with Parcel.begin(store.uri, "train", {}) as refused:
        refused.add("metrics", values={"what?": 1.0}, step=1)  # MLflow takes no such name
        refused.add("end", status="FINISHED")
    gone = write_parcel(store.uri)
    (gone.folder / "files" / "note.txt").unlink()
    good = write_parcel(store.uri)
    assert Sender(store).send_all(parcels()) == {}
    assert parcels() == []
    first, second = newly_aside()
    assert refused.folder.name in first
    assert "what?" in first
    assert gone.folder.name in second
    assert newly_aside() == []
    assert len(store.runs({"digitsum.parcel": good.folder.name})) == 1


def test_store_that_fails_keeps_every_parcel(store: Store) -> None:
    write_parcel("http://127.0.0.1:9")
    write_parcel(store.uri)
    faults = Sender().send_all(parcels())
    assert list(faults) == ["http://127.0.0.1:9"]
    assert len(parcels()) == 1
    assert newly_aside() == []


def test_damaged_file_of_a_result_is_set_aside(made: Path) -> None:
    remember("sqlite:///x.db")
    (kept,) = (made / ".digitsum" / "results").iterdir()
    (kept.parent / "damaged.json").write_text('{"store": "sqlite:///x.db", "result": {"name": 3}}')
    found = {path.name: result for path, result in remembered("sqlite:///x.db")}
    assert found.pop("damaged.json") is None
    (result,) = found.values()
    assert result is not None
    assert result.is_whole()


def test_reading_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mlflow\.db: no MLflow store yet"), opened():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_result_that_comes_while_the_outbox_is_sent_gets_its_own_runs(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs are sent by the next sync, so that one adds the row."""
    sync()
    change(made, "train", epochs=1)
    send_all = Sender.send_all

    def slow(self: Sender, waiting: list[Parcel]) -> dict[str, Exception]:
        monkeypatch.setattr(Sender, "send_all", send_all)
        faults = send_all(self, waiting)
        call("dvc", "repro", **ON)
        return faults

    monkeypatch.setattr(Sender, "send_all", slow)
    sync()
    sync()
    row = rows()[-1]
    restored = {stage for stage, child in children(row).items() if "digitsum.restored" in child.data.tags}
    assert (row.data.params["train.epochs"], restored) == ("1", {"ingest", "preprocess"})
