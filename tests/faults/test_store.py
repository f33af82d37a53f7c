"""An MLflow store that is locked, absent or dying: no stage waits for it, and its rows come later."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Opener
from tracked import ON, digitsum, rows

from faults.pipeline import SECONDS, Undisturbed, begin, finish, python, require_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_locked_database(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        finish("dvc", "repro", path=path)
        assert time.monotonic() - start < SECONDS
        database.rollback()
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)


@pytest.mark.usefixtures("made")
def test_server_that_dies_while_stages_run(mlflow_server: Opener, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    database, artifacts = f"sqlite:///{Path('mlflow.db').resolve()}", Path("artifacts").resolve()
    with pytest.MonkeyPatch.context() as here:
        with mlflow_server(database, artifacts) as (uri, processes):
            here.setenv("MLFLOW_TRACKING_URI", uri)
            process = begin("dvc", "repro", "--force", path=path)
            while "Running stage 'train'" not in Path("log").read_text():
                assert process.poll() is None
                time.sleep(0.1)
            processes.send_signal(9)
            assert process.wait(SECONDS) == 0
        here.delenv("MLFLOW_TRACKING_URI")
        waiting = [file.read_text().count("\n") for file in Path(".digitsum/outbox").glob("[0-9]*/events.jsonl")]
        assert waiting, "nothing was kept"
        for file in Path(".digitsum/outbox").glob("[0-9]*/events.jsonl"):
            file.write_text(file.read_text().replace(uri, database))  # the server is back, under another address
    digitsum("sync", **ON)
    (row,) = rows()
    assert row.info.status == "FINISHED"
