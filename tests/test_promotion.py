"""A promotion that cannot be judged changes nothing: real dvc, real MLflow."""

import shutil
from pathlib import Path

from conftest import change
from mlflow import MlflowClient
from shell import call
from tracked import ON, aliases, digitsum, rows, store

LOW = {"min_strips": 20, "max_calibration_error": 0.9, "min_macro_recall": 0.0, "min_tail_accuracy": 0.0}


def newest() -> str:
    return str(rows()[-1].info.run_id)


def state(client: MlflowClient) -> tuple[dict[str, int], list[tuple[int, dict[str, str]]]]:
    """Aliases and tags of versions: everything that promotion may change."""
    versions = client.search_model_versions("name='digitsum'")
    return aliases(client), sorted((int(version.version), dict(version.tags)) for version in versions)


def refused_untouched(client: MlflowClient, *words: str) -> str:
    before = state(client)
    output = digitsum("promote", *words, code=1)
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert state(client) == before
    return output


def test_a_model_that_cannot_be_judged_changes_nothing(made: Path) -> None:
    change(made, "gate", **LOW)
    digitsum("sync")
    digitsum("promote", newest())
    client, _ = store()
    assert aliases(client) == {"champion": 1}
    first = newest()

    change(made, "preprocess", seed=2)  # the champion may have learned some of these test glyphs
    call("dvc", "repro", **ON)
    digitsum("sync")
    assert "were split with preprocess.seed 1, the challenger's with 2" in refused_untouched(client, newest())
    change(made, "preprocess", seed=1)
    change(made, "strip", width=176)  # strips of another size
    call("dvc", "repro", **ON)
    digitsum("sync")
    other = newest()
    assert other != first
    output = refused_untouched(client, other)
    assert "takes strips with width 168, the challenger 176" in output
    change(made, "gate", min_strips=41)
    assert "40 test strips are too few to decide" in refused_untouched(client, other, "--anew")
    change(made, "gate", min_strips=20)
    assert "no such run" in refused_untouched(client, "nothing")
    output = digitsum("promote", other, code=1, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert output.startswith("error: http://127.0.0.1:9: the MLflow store cannot be used (")

    for model in client.search_logged_models([store()[1]]):
        if model.source_run_id == first:
            client.delete_logged_model(model.model_id)
    shutil.rmtree(".dvc/cache/files")
    output = refused_untouched(client, other)
    assert output.startswith("error: models:/digitsum@champion: models:/m-")
    assert "is gone" in output

    assert "becomes champion in place of version 1" in digitsum("promote", other, "--anew")
    assert aliases(client) == {"champion": 2}
    assert client.get_model_version("digitsum", "2").tags["digitsum.against"] == "none"
    assert "version 1 " in digitsum("rollback")
    assert "was champion and rolled back" in refused_untouched(client, other)
