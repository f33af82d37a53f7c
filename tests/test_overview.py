"""The table of results: real MLflow."""

from pathlib import Path

import pytest
from tracked import digitsum, store


@pytest.mark.usefixtures("project")
def test_each_line_says_what_changed_since_the_row_below(empty_store: Path) -> None:
    Path("mlflow.db").write_bytes(empty_store.read_bytes())
    assert digitsum("results").splitlines()[1:] == []
    client, experiment = store()
    for number, (epochs, accuracy) in enumerate([("3", 0.97), ("4", 0.9725)], 1):
        tags = {"digitsum.result": f"key{number}", "mlflow.source.git.commit": "abcdef1234", "digitsum.dirty": "true"}
        run = client.create_run(experiment, 60_000 * number, tags).info.run_id
        client.log_param(run, "train.epochs", epochs)
        for name, value in {"accuracy": accuracy, "accuracy_low": 0.96, "accuracy_high": 0.98}.items():
            client.log_metric(run, name, value)
        client.set_terminated(run, "FINISHED", 60_000 * number + 83_000)
    recipe = client.create_run(experiment, 60_000, {"digitsum.recipe_row": "key"}).info.run_id
    client.log_metric(recipe, "seeds", 5)
    client.set_terminated(recipe, "FINISHED", 240_000)

    header, top, second, first = digitsum("results").splitlines()
    assert header.startswith("result  ")
    assert top.endswith("mean of 5 seeds")
    assert second.split()[1:] == [
        *("01-01", "00:02", "1:23", "97.25%", "96.00", "to", "98.00", "abcdef12+"),
        *("train.epochs", "3", "->", "4"),
    ]
    assert first.endswith("(the first)")
    assert len(digitsum("results", "--last", "1").splitlines()) == 3
