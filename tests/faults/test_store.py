"""An MLflow store that is locked, absent or dying: no stage waits for it, and its rows come later."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Opener
from servers import listeners
from tracked import children, digitsum, rows

from faults.pipeline import SECONDS, Undisturbed, begin, finish, python, require_whole, wait_until

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
    with mlflow_server(database, artifacts) as uri, pytest.MonkeyPatch.context() as here:
        here.setenv("MLFLOW_TRACKING_URI", uri)
        process = begin("dvc", "repro", "--force", path=path)
        wait_until(lambda: "Running stage 'train'" in Path("log").read_text(), SECONDS)
        for server in listeners(uri):
            server.kill()
        assert process.wait(SECONDS) == 0
    waiting = list(Path(".digitsum/outbox").glob("[0-9]*/events.jsonl"))
    assert waiting, "nothing was kept"
    with mlflow_server(database, artifacts) as other:  # the server is back, under another address
        for file in waiting:
            file.write_text(file.read_text().replace(uri, other))
        digitsum("sync", MLFLOW_TRACKING_URI=other)
        (row,) = rows(other)
        assert row.info.status == "FINISHED"
        assert not any("digitsum.restored" in run.data.tags for run in children(row, other).values())
