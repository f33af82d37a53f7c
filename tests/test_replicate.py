"""Recipes with several seeds: real dvc, real MLflow."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import change
from shell import call
from tracked import ON, begin, digitsum, experiments, rows, stage_runs, store, sync, wait_until_training

from digitsum.tracking.results.occurrences import in_workspace, recipe_of_workspace


def recipe_rows() -> list:
    client, experiment = store()
    return list(client.search_runs([experiment], "tags.`digitsum.recipe_row` != ''"))


def test_a_recipe_is_one_row_with_the_noise_of_its_results(made: Path) -> None:
    sync("--history")
    before = call("git", "status", "--porcelain")
    printed = digitsum("replicate", "--seeds", "2")
    assert call("git", "status", "--porcelain") == before, "the workspace stays"
    first, second = sorted(rows(), key=lambda row: row.data.params["train.seed"])
    (recipe,) = recipe_rows()
    for row in (first, second):
        assert row.data.tags["mlflow.parentRunId"] == recipe.info.run_id
    values = [row.data.metrics["accuracy"] for row in (first, second)]
    found = recipe.data.metrics
    assert found["seeds"] == 2
    assert found["accuracy"] == pytest.approx(np.mean(values))
    assert found["accuracy_sd"] == pytest.approx(np.std(values, ddof=1))
    assert found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"]
    assert found["mae_low"] <= found["mae"] <= found["mae_high"]
    assert "train.seed" not in recipe.data.params
    assert recipe.data.params["train.epochs"] == "2"
    assert f"{found['accuracy']:.2%} of the sums right, mean of 2 seeds" in printed

    ran = len(stage_runs())
    again = digitsum("replicate", "HEAD", "--seeds", "1,2")
    assert again.count("has a row") == 2
    assert (len(stage_runs()), len(rows()), len(recipe_rows())) == (ran, 2, 1)
    compared = digitsum("compare", second.info.run_id)
    assert "every prediction is the same" in compared or "fixed" in compared
    assert "recipes" not in compared, "seeds of one recipe are no two recipes"
    assert digitsum("compare", recipe.info.run_id)

    change(made, "train", epochs=1)
    call("dvc", "repro", **ON)
    compared = digitsum("compare", "HEAD")
    Path("short.yaml").write_text("train: {epochs: 1}")
    assert digitsum("compare", "HEAD", "short.yaml").splitlines()[1:] == compared.splitlines()[1:]
    Path("long.yaml").write_text("train: {epochs: 9}")
    assert "error: long.yaml: no result of this recipe" in digitsum("compare", "HEAD", "long.yaml", code=1)
    assert f"recipes   {found['accuracy']:.2%} before, " in compared
    assert "means of 2 and 1 seeds" in compared
    assert "Over 2 and 1 seeds, the recipes have" in Path("reports/comparison.html").read_text()

    source = made / "digitsum" / "strips" / "augment.py"
    source.write_text(source.read_text() + "\n")
    output = digitsum("replicate", "HEAD", code=1)
    assert "error: digitsum/strips/augment.py: missing, or not what HEAD was made of" in output


@pytest.mark.slow(60)
def test_killed_replicate_goes_on_and_runs_no_seed_twice(made: Path) -> None:
    change(made, "train", epochs=3)
    for kill, count in ((os.killpg, 0), (os.kill, 1)):
        with begin("replicate", "--seeds", "3") as process:
            wait_until_training(process, "replicate-", count)
            kill(process.pid, signal.SIGKILL)
    digitsum("replicate", "--seeds", "3")
    (recipe,) = recipe_rows()
    assert recipe.data.metrics["seeds"] == 3
    mine = [row for row in rows() if row.data.params["train.epochs"] == "3"]
    assert sorted(row.data.params["train.seed"] for row in mine) == ["1", "2", "3"]
    assert len(experiments("replicate-")) == 3
    trained = [run for run in stage_runs() if run.data.tags["digitsum.stage"] == "train"]
    assert [run.info.status for run in trained if run.info.status != "KILLED"] == ["FINISHED"] * 3


@pytest.mark.usefixtures("made")
def test_the_recipe_of_the_workspace_is_that_of_its_result() -> None:
    result = in_workspace()
    assert result is not None
    assert recipe_of_workspace() == result.recipe


@pytest.mark.parametrize(
    ("seeds", "fault"), [("1", "no noise to show"), ("2,2", "has a seed twice"), ("few", "neither a number of seeds")]
)
def test_seeds_that_show_no_noise_are_refused(seeds: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    digitsum("replicate", "--seeds", seeds, code=2)
    assert fault in capsys.readouterr().err


def test_without_a_store_nothing_runs() -> None:
    assert "the seeds of a recipe are rows in MLflow" in digitsum("replicate", code=1, DIGITSUM_TRACKING="off")
