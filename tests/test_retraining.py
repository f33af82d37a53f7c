"""Retraining from a commit to the champion, without GitHub: a bare origin, a DVC remote, and MLflow's own server."""

import hashlib
import html
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Opener, change
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from servers import free_port, s3_objects
from shell import call, start
from tracked import ON, aliases, digitsum, rows

from digitsum.errors import InputError
from digitsum.retraining import dvc_runs, overrides

ONE_DIGIT = {  # learned within seconds
    "strip": {"digits": 1, "width": 56},
    "preprocess": {"train_strips": 800, "val_strips": 100, "test_strips": 400, "first_left": [0, 28]},
    "train": {"epochs": 1},
    "gate": {"min_strips": 300, "max_calibration_error": 0.9, "min_macro_recall": 0.05, "min_tail_accuracy": 0.01},
}
BRING_BACK = str(ROOT / ".ci" / "bring-back")


@pytest.fixture
def shop(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a bare origin, with a folder as its DVC remote; it has params but no result."""
    place = tmp_path_factory.mktemp("shop")
    (place / "remote").mkdir()
    for section, values in ONE_DIGIT.items():
        change(repository, section, **values)
    for part in ("data", "models", "reports"):  # DVC writes these files
        (repository / part).mkdir(exist_ok=True)
        (repository / part / ".gitignore").touch()
    (repository / ".ci").mkdir()
    (repository / ".ci" / "bring-back").write_bytes((ROOT / ".ci" / "bring-back").read_bytes())
    (repository / ".ci" / "bring-back").chmod(0o755)
    call("dvc", "remote", "add", "-q", "-d", "shared", str(place / "remote"))
    call("git", "branch", "-qM", "main")
    call("git", "init", "-q", "--bare", "-b", "main", str(place / "origin.git"))
    call("git", "remote", "add", "origin", str(place / "origin.git"))
    commit("params")
    return place


def commit(message: str) -> None:
    call("git", "add", "-A")
    call("git", "commit", "-qm", message)
    call("git", "push", "-q", "origin", "HEAD:main")
    call("git", "fetch", "-q")


def clone(shop: Path, name: str) -> Path:
    call("git", "clone", "-q", str(shop / "origin.git"), str(shop / name))
    for key, value in (("user.email", "a@example.org"), ("user.name", "A")):
        call("git", "-C", str(shop / name), "config", key, value)
    return shop / name


def retrained(*words: str, **environment: str) -> str:
    """What the terminal shows, then the comment."""
    return digitsum("retrain", *words, **environment) + comment()


def comment() -> str:
    return html.unescape(Path(".digitsum/comment.md").read_text())


def became(comment: str) -> dict[str, str]:
    """How `dvc repro` dealt with each stage, according to the comment."""
    rows = [line.split(" | ") for line in comment.splitlines() if line.startswith("| <code>") and line.endswith(" s |")]
    return {row[0].removeprefix("| <code>").removesuffix("</code>"): row[1].split()[0].strip(",") for row in rows}


def model_md5() -> str:
    return hashlib.md5(Path("models/model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow(60)
def test_from_commit_to_champion(shop: Path, mlflow_server: Opener) -> None:  # noqa: PLR0915 (one story)
    skipped = dict.fromkeys(("ingest", "preprocess", "train", "evaluate", "confusion"), "skipped")
    with mlflow_server(f"sqlite:///{shop / 'mlflow.db'}", shop / "artifacts") as uri:
        there = {"MLFLOW_TRACKING_URI": uri}
        client = MlflowClient(uri)

        output = retrained(**there)
        assert set(became(output).values()) == {"ran"}
        accuracy = rows(uri)[-1].data.metrics["accuracy"]
        assert f"\nPromoted: {accuracy:.2%} of the test sums right, the first model\n" in output
        assert f"### \u2705 Promoted: {accuracy:.2%} of the test sums right, the first model\n" in output
        assert "becomes the first champion" in output
        assert aliases(client) == {"champion": 1}
        assert "bring-back: pushed to main" in call(".ci/bring-back")

        call("git", "fetch", "-q")
        output = retrained(**there)
        assert became(output) == skipped
        assert "is the champion already" in output
        assert call(".ci/bring-back") == "bring-back: nothing changed\n"
        first = model_md5()
        output = retrained("--force", **there)
        assert set(became(output).values()) == {"ran"}
        assert "it has the same bytes" in output
        assert model_md5() == first
        assert len(client.search_model_versions("name='digitsum'")) == 1

        change(Path(), "train", epochs=3)
        commit("better")
        output = retrained(**there)
        assert became(output) == skipped | dict.fromkeys(("train", "evaluate", "confusion"), "ran")
        assert "becomes champion in place of version 1" in output
        assert "| <code>train.epochs</code> | <code>1</code> | <code>3</code> |" in output
        assert "on the same 400 test strips" in output
        assert f"{uri}/#/experiments/" in output
        assert aliases(client) == {"champion": 2}
        version = client.get_model_version("digitsum", "2")
        assert version.tags["digitsum.verdict"] == "passes"
        assert version.tags["digitsum.replaced"] == "1"
        assert version.description.partition(" On the same ")[0] in output
        (verdict,) = (item.path for item in client.list_artifacts(version.run_id, "verdicts"))
        assert verdict == "verdicts/version-2-against-1.json"
        call(".ci/bring-back")

        change(Path(), "confusion", examples=3)
        commit("confusion alone")
        output = retrained(**there)
        assert became(output) == skipped | {"confusion": "ran"}
        assert aliases(client) == {"champion": 2}
        call(".ci/bring-back")

        os.chdir(clone(shop, "elsewhere"))  # with an empty cache
        output = retrained(**there)
        assert became(output) == skipped
        assert call(".ci/bring-back") == "bring-back: nothing changed\n"
        Path("dvc.lock").unlink()  # as if no result had come back
        output = retrained(**there)
        assert set(became(output).values()) == {"restored"}
        assert aliases(client) == {"champion": 2}
        call("git", "checkout", "-q", ".")

        change(Path(), "train", epochs=1)
        change(Path(), "preprocess", train_strips=799, test_strips=399)  # so the champion predicts again
        commit("worse")
        output = retrained(**there)
        assert "does not become champion in place of version 2." in output
        shown = re.search(r"\nNot promoted: \S+% against the champion's \S+%\n", output)
        assert shown is not None
        assert f"### \u274c {shown[0].strip()}\n" in output
        assert re.search(r"\| improvement \| -\S+ points \| at least \S+ \| \u274c no \|", output)
        assert re.search(r"\nimprovement +-\S+ points +at least \S+ +NO\n", output)
        assert "There is no paired test with " in output, "the result of main was evaluated on other strips"
        assert aliases(client) == {"champion": 2, "challenger": 3}
        worse = client.get_model_version("digitsum", "3")
        assert worse.tags["digitsum.verdict"] == "refused"
        output = digitsum("promote", worse.run_id, "--dry-run", code=3, **there)
        assert "would not become champion" in output
        call(".ci/bring-back")

        assert "version 1 " in digitsum("rollback", **there)
        assert aliases(client) == {"champion": 1, "challenger": 3}
        output = digitsum("promote", version.run_id, code=1, **there)
        assert "was champion and rolled back" in output
        assert digitsum("rollback", code=1, **there).startswith("error: models:/digitsum/1: replaced no other")
        digitsum("promote", version.run_id, "--anew", **there)
        assert aliases(client) == {"champion": 2, "challenger": 3}
        digitsum("promote", client.get_model_version("digitsum", "1").run_id, "--anew", **there)
        for number in ("1", "2", "1"):  # champion now, then withdrawn, then champion again
            assert aliases(client)["champion"] == int(number)
            assert "digitsum.withdrawn" not in client.get_model_version("digitsum", number).tags
            digitsum("rollback", **there)


@pytest.mark.slow(30)
def test_two_pushes_at_once(shop: Path, mlflow_server: Opener) -> None:
    with mlflow_server(f"sqlite:///{shop / 'mlflow.db'}", shop / "artifacts") as uri:
        MlflowClient(uri).create_experiment("digitsum")  # two processes that create it race
        there = ON | {"MLFLOW_TRACKING_URI": uri}
        processes: list[subprocess.Popen[str]] = []
        for seed in (11, 12):
            os.chdir(clone(shop, f"runner-{seed}"))
            change(Path(), "train", seed=seed)
            call("git", "commit", "-qam", f"seed {seed}")
            processes.append(start("python", "-m", "digitsum", "retrain", warm=True, **there))
        for process in processes:
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0, output
        output = [
            call("git", "-C", str(shop / f"runner-{seed}"), "push", "-q", "origin", "main", code=code)
            for seed, code in ((11, 0), (12, 1))
        ]
        assert "rejected" in output[1]
        for seed, outcome in ((11, "pushed to main"), (12, "has moved on")):
            assert outcome in call(str(shop / f"runner-{seed}" / ".ci" / "bring-back"))

        client = MlflowClient(uri)
        versions = client.search_model_versions("name='digitsum'")
        assert len({version.source for version in versions}) == len(versions) == 2
        assert aliases(client).keys() <= {"champion", "challenger"}
        assert aliases(client)["champion"] in {int(version.version) for version in versions}
    for file in (shop / "remote" / "files" / "md5").rglob("*"):
        if file.is_file():
            assert hashlib.md5(file.read_bytes()).hexdigest() == file.parent.name + file.name.removesuffix(".dir")
    os.chdir(clone(shop, "after"))
    call("dvc", "pull", "-q")
    assert "Data and pipelines are up to date" in call("dvc", "status")


def test_settings_that_ci_leaves_empty_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    dvc_runs.drop_empty_settings()
    assert "AWS_DEFAULT_REGION" not in os.environ
    assert os.environ["AWS_ACCESS_KEY_ID"] == "a"


@pytest.mark.slow(30)
def test_new_data_from_outside_and_its_drift(shop: Path, rng: np.random.Generator) -> None:
    def strips(first: int, count: int, brightness: int) -> None:
        sums = rng.integers(first, 10, count)
        images = np.zeros((count, 40, 56), np.uint8)
        for image, digit in zip(images, sums, strict=True):
            left = rng.integers(2, 40)
            image[4 : 8 + 3 * digit, left : left + 10] = brightness - rng.integers(40)  # longer for larger digits
        number = len(list(Path("data/external").glob("data*.npy")))
        np.save(f"data/external/data{number}.npy", images)
        np.save(f"data/external/lab{number}.npy", sums.astype(np.uint8))
        call("dvc", "add", "-q", f"data/external/data{number}.npy", f"data/external/lab{number}.npy")
        commit("data")

    change(Path(), "ingest", source="npy")
    change(Path(), "gate", min_strips=20, min_macro_recall=0.0, min_tail_accuracy=0.0)
    strips(0, 400, 200)
    assert "New data" not in retrained()
    call(".ci/bring-back")
    strips(5, 200, 170)
    output = retrained()
    assert became(output)["ingest"] == "ran"
    assert "**New data**: 2 files (<code>data1.npy</code>, <code>lab1.npy</code>)" in output
    assert "Before retraining, the champion (version 1) had " in output
    assert "On the same " in output, "the old strips have kept their parts"
    (row,) = (line.split(" | ") for line in output.splitlines() if line.startswith("| mean sum"))
    assert float(row[1]) + 1 < float(row[2].removesuffix(" |"))
    output = retrained(CI="true")
    assert "New data" not in output, "an earlier retraining read it"
    assert "the MLflow store is a file on this runner and goes with it" in output
    call(".ci/bring-back")
    os.chdir(clone(shop, "elsewhere"))
    assert set(became(retrained()).values()) == {"skipped"}, "DVC pulls the data too"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("train.epoch=3", "there is no param train.epoch in params.yaml"),
        ("train=3", "not of the form section.key=value"),
        ("train.augment=3", "there is no param train.augment in params.yaml"),
        ("train.epochs=$(touch broken)", "not of the form section.key=value"),
        ("train.epochs=3;touch", "not of the form section.key=value"),
        ("train.epochs=`id`", "not of the form section.key=value"),
        ("train.epochs=0", "`train.epochs` is 0; input should be greater than or equal to 1"),
        ("model.head=boxes", "`model.head` is 'boxes'"),
    ],
)
def test_invalid_overrides_change_nothing(project: Path, words: str, fault: str) -> None:
    before = Path("params.yaml").read_bytes()
    names = {path.name for path in project.iterdir()}
    with pytest.raises(InputError, match=re.escape(fault)) as raised:
        overrides.apply(f"train.seed=7 {words}")
    assert str(raised.value).startswith("override")
    assert "\n" not in str(raised.value)
    assert Path("params.yaml").read_bytes() == before
    assert {path.name for path in project.iterdir()} == names


@pytest.mark.usefixtures("project")
def test_overrides_change_what_they_name_and_keep_the_rest() -> None:
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text)
    overrides.apply(
        "train.epochs=4 model.shifts=[-1,1] train.augment.rotate=2.5 model.init_from=data/initial/a.safetensors"
    )
    changed = [line for line in Path("params.yaml").read_text().splitlines() if line not in text.splitlines()]
    assert [line.split("#")[0].strip() for line in changed] == [
        "init_from: data/initial/a.safetensors",
        "shifts: [-1, 1]",
        "epochs: 4",
        "rotate: 2.5",
    ]
    assert Path("params.yaml").read_text().count("#") == text.count("#")


def test_remotes_and_stores_that_cannot_be_used(shop: Path) -> None:
    (shop / "remote").rmdir()
    output = digitsum("retrain", code=1)
    assert (
        output
        == f"error: {shop / 'remote'}: the folder of the DVC remote shared is missing; mount it, or mkdir -p it\n"
    )
    call("dvc", "remote", "add", "-q", "-f", "-d", "shared", f"http://127.0.0.1:{free_port()}/nothing")
    output = digitsum("retrain", code=1)
    assert output.startswith("error: http://127.0.0.1:")
    assert "the DVC remote shared cannot be used (" in output
    assert output.count("\n") == 1
    (shop / "remote").mkdir()
    call("dvc", "remote", "add", "-q", "-f", "-d", "shared", str(shop / "remote"))
    output = digitsum("retrain", code=1, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert output.startswith("error: http://127.0.0.1:9: the MLflow store cannot be used (")
    assert not Path("dvc.lock").exists()
    call("dvc", "remote", "remove", "-q", "shared")
    assert digitsum("retrain", code=1).startswith("error: .dvc/config: no default remote; dvc remote add --default")


@pytest.mark.slow(20)
def test_output_that_the_run_cache_gave_is_not_promoted_unless_a_run_made_it(shop: Path) -> None:
    """Who can write to the DVC remote can put any model there for params that dvc.lock does not have yet."""
    store, forger = f"sqlite:///{shop / 'own.db'}", clone(shop, "forger")
    for place in (forger, clone(shop, "main")):
        os.chdir(place)
        change(Path(), "train", epochs=2)
    os.chdir(forger)
    call("dvc", "repro", DIGITSUM_TRACKING="off")
    call("dvc", "push", "--run-cache", DIGITSUM_TRACKING="off")
    os.chdir(shop / "main")
    output = retrained(MLFLOW_TRACKING_URI=store)
    assert "restored" in became(output).values()
    assert "Nothing was promoted: the run-cache gave the outputs of " in html.unescape(output)
    with pytest.raises(MlflowException, match="not found"):
        aliases(MlflowClient(store))
    output = retrained("--force", MLFLOW_TRACKING_URI=store)
    assert "becomes the first champion" in output


@pytest.mark.slow(20)
def test_s3_as_remote(shop: Path, monkeypatch: pytest.MonkeyPatch, s3_server: Opener) -> None:
    """As in docs/ci.md; in separate processes, since DVC keeps its connections to S3 open until its process ends."""
    retrain = ("python", "-m", "digitsum", "retrain")
    with s3_server() as (endpoint, keys):
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        call("dvc", "remote", "add", "-q", "--default", "--force", "shared", "s3://digitsum/dvc")
        call("dvc", "remote", "modify", "-q", "shared", "endpointurl", endpoint)
        commit("S3")
        assert set(became(call(*retrain, **ON) + comment()).values()) == {"ran"}
        call(".ci/bring-back")
        names = s3_objects(endpoint)
        assert any(name.startswith("dvc/files/md5/") for name in names)
        assert any(name.startswith("dvc/runs/") for name in names)
        md5 = model_md5()
        os.chdir(clone(shop, "elsewhere"))
        assert set(became(call(*retrain, **ON) + comment()).values()) == {"skipped"}
        assert model_md5() == md5
    output = call(*retrain, code=1, **ON)
    assert "error: s3://digitsum/dvc: the DVC remote shared cannot be used (" in output
