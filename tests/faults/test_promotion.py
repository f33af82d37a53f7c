"""Promotion by many at once, and killed on the way: the alias is always on a complete, verified model."""

from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from conftest import change
from mlflow import MlflowClient
from shell import call
from tracked import ON, aliases, digitsum, rows, store

from digitsum.model.model_file import read_model
from digitsum.tracking.rows.models import fetch
from digitsum.tracking.rows.registry import Registry
from digitsum.tracking.rows.store import opened
from faults.pipeline import begin, finish, killed, python, seconds_of

LOW = {"min_strips": 20, "max_calibration_error": 0.9, "min_macro_recall": 0.0, "min_tail_accuracy": 0.0}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def two(made: Path) -> list[str]:
    """Two results whose models may be promoted."""
    change(made, "gate", **LOW, min_improvement=0.0, alpha=0.9)
    digitsum("sync", **ON)
    change(made, "evaluate", batch_size=17)
    call("dvc", "repro", **ON)
    digitsum("sync", **ON)
    return [run.info.run_id for run in rows()]


def require_complete(client: MlflowClient, allowed: list[str]) -> None:
    """The champion, if there is one, is a version with a verdict, of a result that passed, with a model that loads."""
    champion = aliases(client).get("champion") if client.search_registered_models() else None
    if champion is None:
        return
    version = client.get_model_version("digitsum", str(champion))
    assert version.run_id in allowed
    assert version.tags["digitsum.verdict"] == "passes"
    with opened() as here:
        holder = Registry(here).holder("champion")
        assert holder is not None
        read_model(fetch(here, holder.source.removeprefix("models:/"), "models/model.safetensors"))


def test_twenty_promote_at_once(two: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    running = [begin("python", "-m", "digitsum", "promote", two[number % 2], path=path) for number in range(20)]
    client, _ = store()
    while alive := [process for process in running if process.poll() is None]:
        require_complete(client, two)
        with suppress(TimeoutExpired):
            alive[0].wait(1)
    assert {process.returncode for process in running} <= {0, 3}, Path("log").read_text()
    require_complete(client, two)
    assert aliases(client)["champion"] in (1, 2)
    versions = client.search_model_versions("name='digitsum'")
    assert len(versions) == len({version.source for version in versions})


@pytest.mark.parametrize("seed", range(10))
def test_killed_promotion_is_whole_or_absent_and_can_be_repeated(
    seed: int, two: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = python(tmp_path_factory.mktemp("path"), cold=False)
    client, _ = store()
    words = ("python", "-m", "digitsum", "promote", two[0])
    killed(seed, seconds_of(*words, path=path, copy=tmp_path_factory.mktemp("copy")), *words, path=path)
    require_complete(client, two)
    finish(*words, path=path)
    require_complete(client, two)
    assert aliases(client)["champion"] == 1
