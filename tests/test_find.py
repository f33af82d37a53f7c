"""Every name of a result leads to it, and what others wrote into MLflow is data: a real store."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tracked import a_result

from digitsum.errors import InputError
from digitsum.tracking.find import find_row
from digitsum.tracking.reproduce import reproduce
from digitsum.tracking.results.occurrences import from_lock
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.registry import Registry
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store, opened
from digitsum.tracking.trace import account

HOSTILE = "\x1b]0;title\x07\x1b[2J\u202ename\x9b"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Store:
    """Two rows with a stage each, and a model of the first."""
    file = shutil.copy(empty_store, tmp_path_factory.mktemp("store"))
    store = Store.at(f"sqlite:///{file}")
    for number in range(2):
        result = a_result(f"{number + 1:032x}")
        add(store, replace(result, time=result.time + number))
    for run in store.runs({"digitsum.stage": "make"}):
        store.rename(run.id, "twin")
    return store


@pytest.fixture
def store(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same outside of any repository."""
    monkeypatch.chdir(tmp_path)
    return filled


def row(store: Store, number: int) -> Run:
    (found,) = store.runs({"digitsum.result": a_result(f"{number + 1:032x}").key})
    return found


def test_row_by_each_of_its_names(store: Store) -> None:
    first, second = row(store, 0), row(store, 1)
    length = next(n for n in range(4, 32) if len(store.runs_from(first.id[:n])) == 1)
    store.set_tag(second.id, "digitsum.experiment", "removed-exp")
    for what in ("removed-exp", f"runs:/{second.id}"):
        assert find_row(store, what).id == second.id
    (stage,) = store.runs({"mlflow.parentRunId": first.id, "digitsum.stage": "make"})
    store.rename(first.id, 'it\'s "good"; really')  # cannot be written in a filter
    store.rename(second.id, "it's good; really")
    for what in (first.id, first.id[:length], stage.id):
        assert find_row(store, what).id == first.id
    assert find_row(store, "it's good; really").id == second.id
    model = store.client.create_logged_model(store.experiment, "m", first.id, {"digitsum.md5": "d" * 32}).model_id
    store.client.finalize_logged_model(model, "READY")
    registry = Registry(store)
    registry.crown(registry.register(model, first.id), None)
    for what in ("models:/digitsum@champion", "champion", "models:/digitsum/1"):
        assert find_row(store, what).id == first.id
    assert find_row(store, f"models:/{model}").id == second.id, "the newest with this model"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nothing", "no such run, model or file; give a git revision"),
        ("", "no such run"),
        ("0" * 32, "no such run"),
        ('it\'s "both"', "no such run"),
        ("a" * 5000, "no such run"),
        ("%", "no such run"),
        ("twin", r"the name or the beginning of the id of 2 runs; give one of the ids \w{32}, \w{32}$"),
        ("models:/digitsum@none", "no such model"),
        ("models:/none/1", "no such model"),
        ("models:/digitsum/x", "no such model"),
        ("models:/m-0", "no such model"),
        ("models:/", "no such model"),
    ],
)
def test_what_names_no_row_is_one_line(store: Store, what: str, reason: str) -> None:
    with pytest.raises(InputError, match=f": {reason}") as raised:
        find_row(store, what)
    assert "\n" not in str(raised.value)


def test_texts_of_the_store_do_not_drive_the_terminal(store: Store) -> None:
    first = row(store, 0)
    store.rename(first.id, HOSTILE)
    store.set_tag(first.id, "digitsum.reproduced", f"{HOSTILE}\nagain        rm -rf ~")
    store.log_params(first.id, {"p.r": HOSTILE})
    text = account(store, row(store, 0))
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith("again        rm") for line in text.splitlines())
    assert row(store, 0).name == "]0;title[2Jname"


@pytest.mark.parametrize("text", ["[", "[" * 8000, "{}", "1"])
def test_row_with_a_foreign_tag_is_one_line(store: Store, text: str) -> None:
    other = store.begin("other", {"digitsum.result": "x", "digitsum.occasions": text}, 0)
    with pytest.raises(InputError, match=r"tag digitsum\.occasions is not a list"):
        account(store, find_row(store, other))


def test_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    with pytest.raises(InputError, match=r"http://user:\*\*\*@127") as raised, opened():
        pass
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("origin", ["--upload-pack=touch x", "HEAD", "0" * 39, "0" * 40 + "\n", ""])
def test_origin_that_is_no_commit_id_does_not_reach_git(store: Store, origin: str) -> None:
    second = row(store, 1)
    store.set_tag(second.id, "digitsum.origin", origin)
    with pytest.raises(InputError, match=r"tag digitsum\.origin is .*, not a commit id"):
        reproduce(store, row(store, 1))
    assert "not a commit id" in account(store, row(store, 1))


LOCKS = ["", "<<<<<<< HEAD\nstages: {}\n", "stages:", "a: 1", "stages: {a: {outs: [{path: b}]}}", "\x00", "[" * 9000]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_that_cannot_be_read_is_one_line(lock: str) -> None:
    with pytest.raises(InputError, match=r"^HEAD: its dvc\.lock cannot be read \("):
        from_lock(lock, "HEAD")
