"""Comparisons with another result: real dvc, real git, real MLflow."""

import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from conftest import Opener, change
from shell import call
from tracked import ON, digitsum, rows, store, sync

from digitsum.errors import InputError
from digitsum.formats import read_json
from digitsum.judging.compare import compare_results
from digitsum.tracking.results.result import Result
from digitsum.tracking.unchanged import RACY, REMEMBERED, state


def cached(path: str) -> Path:
    """The file in DVC's cache that dvc.lock has for a path."""
    md5 = Result("", Path("dvc.lock").read_text()).checksum(path)
    assert md5 is not None
    return Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]


@pytest.mark.usefixtures("made")
def test_comparison_with_a_commit_a_run_and_the_champion(page: Opener) -> None:
    assert "compared" not in digitsum("summary")
    assert "no champion is registered; name a result to compare with" in digitsum("compare", code=1)
    assert digitsum("compare", "HEAD") == "compared  this result with HEAD: every prediction is the same\n"
    before = pd.read_csv("reports/predictions.csv")
    sync("--history")
    (old,) = rows()
    change(Path(), "train", epochs=1)
    call("dvc", "repro", **ON)
    after = pd.read_csv("reports/predictions.csv")
    was, now = before["predicted"] == before["sum"], after["predicted"] == after["sum"]
    counts = f"{(~was & now).sum()} fixed, {(was & ~now).sum()} broken"

    output = digitsum("compare", "HEAD")
    assert f"with HEAD: {was.mean():.2%} before, {now.mean():.2%} now, of 40 test sums" in output
    assert counts in output
    assert counts in digitsum("compare", old.info.run_id)
    client, _ = store()
    client.create_registered_model("digitsum")
    (model,) = old.outputs.model_outputs
    mlflow.set_tracking_uri(client.tracking_uri)  # where MLflow looks for the logged model
    version = client.create_model_version("digitsum", f"models:/{model.model_id}", old.info.run_id)
    client.set_registered_model_alias("digitsum", "champion", version.version)
    for words in (("compare",), ("compare", "models:/digitsum@champion"), ("summary",)):
        assert counts in digitsum(*words)
    time.sleep(2 * RACY / 1e9)
    assert read_json(REMEMBERED)["state"] == state(), "the next summary need not look"
    assert "compared" not in digitsum("summary", DIGITSUM_TRACKING="off")
    with page(390) as tab:
        faults: list[str] = []
        tab.on("console", lambda message: faults.append(message.text))
        tab.goto(Path("reports/comparison.html").resolve().as_uri())
        assert tab.locator("h1").inner_text() == counts
        assert tab.locator("#broken svg, #broken p").first.is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert faults == []

    sync()
    new = next(row for row in rows() if row.info.run_id != old.info.run_id)
    kept = cached("reports/predictions.csv")
    call("git", "stash", "--quiet")
    call("dvc", "checkout", "--quiet")
    kept.unlink()
    turned = f"{(was & ~now).sum()} fixed, {(~was & now).sum()} broken"
    assert turned in digitsum("compare", new.info.run_id), "MLflow has what the cache has lost"
    assert counts in digitsum("compare", "HEAD", new.info.run_id), "any two results, whatever the workspace has"
    copy = Path(client.download_artifacts(new.info.run_id, "comparison.html")).read_text()
    assert copy == Path("reports/comparison.html").read_text()
    assert "<code>train.epochs 2 -&gt; 1</code>" in copy
    for row in (old, new):
        assert f"runs/{row.info.run_id}?workflowType=machine_learning" in copy

    assert "nonsense: no such run, model or file" in digitsum("compare", "nonsense", code=1)
    first = call("git", "rev-list", "--max-parents=0", "HEAD").strip()
    assert "a commit without dvc.lock" in digitsum("compare", first, code=1)


@pytest.mark.usefixtures("made")
def test_results_on_other_test_data_or_without_predictions_are_refused() -> None:
    lock = Path("dvc.lock").read_text()
    here = Result("here", lock)
    strips, predicted = (here.checksum(path) for path in ("data/processed/test/strips.npy", "reports/predictions.csv"))
    with pytest.raises(
        InputError, match=r"evaluated on other test data than here \(data/processed/test/strips\.npy differs\)"
    ):
        compare_results(Result("that", lock.replace(str(strips), "f" * 32)), here)
    with pytest.raises(InputError, match="neither in DVC's cache nor in MLflow nor in a remote"):
        compare_results(Result("that", lock.replace(str(predicted), "f" * 32)), here)
    assert not Path("reports/comparison.html").exists()
