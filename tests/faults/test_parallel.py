"""Several dvc at once: each result has its row, and no outputs are mixed."""

import subprocess
from pathlib import Path

import pytest
from tracked import ON, digitsum, rows, store

from faults.pipeline import Undisturbed, begin, finish, python, require_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_two_repro_at_once(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The second may be refused as busy. Together they leave one whole result."""
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    both = [begin("dvc", "repro", path=path) for _ in range(2)]
    codes = [process.wait() for process in both]
    if 0 not in codes:
        finish("dvc", "repro", path=path)
    finish("python", "-m", "digitsum", "sync", path=path)
    require_whole(undisturbed)


@pytest.mark.usefixtures("made")
def test_four_experiments_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    sizes = (11, 12, 13, 14)
    words = ("dvc", "--wait-for-lock", "exp", "run", "--temp", "-S")
    running: list[subprocess.Popen[bytes]] = [
        begin(*words, f"evaluate.batch_size={size}", "-n", f"size-{size}", path=path) for size in sizes
    ]
    assert [process.wait() for process in running] == [0, 0, 0, 0], Path("log").read_text()
    digitsum("sync", **ON)
    found = {run.data.params["evaluate.batch_size"] for run in rows()}
    assert {str(size) for size in sizes} <= found
    client, experiment = store()
    assert {run.info.status for run in client.search_runs([experiment])} == {"FINISHED"}
