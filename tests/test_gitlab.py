"""docs/gitlab-ci.yml, run by gitlab-ci-local, with stand-ins for `make retrain`, curl and GitLab's repository.

npm ci --prefix tests/gitlab      # needs Node 22 or later, and rsync
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from shell import call

RUNNER = ROOT / "tests" / "gitlab" / "node_modules" / ".bin" / "gitlab-ci-local"


def can_run() -> bool:
    found = RUNNER.exists() and shutil.which("rsync")
    return bool(found) and subprocess.run([RUNNER, "--version"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_run(), reason="gitlab-ci-local, Node 22 or rsync is not installed")

MAKEFILE = """retrain:
	@env > {folder}/make.env
	@! grep -q failing params.yaml
	@mkdir -p .digitsum && echo '<!-- digitsum: retraining --> of a model' > .digitsum/comment.md
	@echo after > dvc.lock
"""
CURL = """#!/bin/sh
echo "$@" | tr '\\n' ' ' >> {folder}/curl.txt
case "$*" in
  *per_page*) echo '[{{"id": 5, "body": "another"}}, {{"id": 6, "body": "<!-- digitsum: retraining --> of before"}}]' ;;
  *) cp .digitsum/comment.md {folder}/comment.md ;;
esac
"""
VARIABLES = {  # of the project; the first are protected, so that GitLab gives them to pipelines of main alone
    "AWS_ACCESS_KEY_ID": "writer",
    "AWS_SECRET_ACCESS_KEY": "writes",
    "BRING_BACK_TOKEN": "bringing",
    "READER_AWS_ACCESS_KEY_ID": "reader",
    "READER_AWS_SECRET_ACCESS_KEY": "reads",
    "COMMENT_TOKEN": "commenting",
}
MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_ID": "1",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
    "CI_COMMIT_BRANCH": "",
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of main as GitLab's runner makes one; it is the current directory."""
    call("git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    call("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "desk"))
    monkeypatch.chdir(tmp_path / "desk")
    shutil.copytree(ROOT / ".ci", ".ci")
    shutil.copy(ROOT / "docs" / "gitlab-ci.yml", ".gitlab-ci.yml")
    for folder in (".dvc", "reports", "data", "models"):
        Path(folder).mkdir()
        (Path(folder) / ".gitignore").touch()
    for name in ("dvc.lock", "params.yaml", "reports/metrics.json", "requirements.lock", "requirements-dev.lock"):
        Path(name).write_text("before\n")
    Path(".dvc/config").write_text("[core]\n    remote = shared\n")
    Path(".gitignore").write_text(".gitlab-ci-local\n")
    Path("Makefile").write_text(MAKEFILE.format(folder=tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "curl").write_text(CURL.format(folder=tmp_path))
    (tmp_path / "bin" / "curl").chmod(0o755)
    for key, value in {"user.email": "a@example.org", "user.name": "A"}.items():
        call("git", "config", key, value)
    commit("params.yaml", "before\n")
    return tmp_path


def commit(name: str, text: str) -> None:
    Path(name).write_text(text)
    call("git", "add", "--all")
    call("git", "commit", "-qm", "some")
    call("git", "push", "-q", "origin", "HEAD:main")
    call("git", "remote", "set-head", "origin", "main")


def pipeline(desk: Path, code: int = 0, **variables: str) -> dict[str, str]:
    """The variables with which make was called."""
    protected = {} if "CI_MERGE_REQUEST_IID" in variables else VARIABLES
    given = {name: value for name, value in VARIABLES.items() if name.startswith(("READER", "COMMENT"))} | protected
    if variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "1") != "1":
        given = {}
    home = desk / "home"
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(
        f'[url "{desk / "origin.git"}"]\n    insteadOf = "https://retrain:bringing@gitlab.com/fallback.group/fallback.project.git"\n'
    )
    words = [
        str(RUNNER),
        "--force-shell-executor",
        "--shell-isolation",
        "--no-evaluate-rule-changes",
        "--ignore-predefined-vars",
        ",".join(variables),
    ]
    words += [word for pair in (given | variables).items() for word in ("--variable", "=".join(pair))]
    path = f"{desk / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        words,
        env={"PATH": path, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "retrain    $ .ci/retrain" in done.stdout
    return dict(line.split("=", 1) for line in (desk / "make.env").read_text().splitlines() if "=" in line)


def settings(make: dict[str, str]) -> dict[str, str]:
    names = ("BRANCH", "READ_ONLY", "LOCAL", "FORCE", "SET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: make[name] for name in names if make.get(name)}


def at_origin(desk: Path, file: str) -> str:
    return call("git", "-C", str(desk / "origin.git"), "show", f"main:{file}")


WRITER = {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "writes"}
READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reads"}


def test_push_to_main_retrains_and_brings_the_result_back(desk: Path) -> None:
    make = pipeline(desk, CI_PIPELINE_SOURCE="push", CI_COMMIT_BRANCH="main")
    assert settings(make) == {"BRANCH": "main", **WRITER}
    assert at_origin(desk, "dvc.lock") == "after\n"


def test_schedule_runs_every_stage(desk: Path) -> None:
    make = pipeline(desk, CI_PIPELINE_SOURCE="schedule", CI_COMMIT_BRANCH="main")
    assert settings(make) == {"BRANCH": "main", "FORCE": "1", **WRITER}


def test_run_by_hand_passes_set_on(desk: Path) -> None:
    make = pipeline(desk, CI_PIPELINE_SOURCE="web", CI_COMMIT_BRANCH="main", SET="train.epochs=4 train.seed=2")
    assert settings(make) == {"BRANCH": "main", "SET": "train.epochs=4 train.seed=2", **WRITER}


def test_merge_request_reads_and_replaces_its_comment(desk: Path) -> None:
    make = pipeline(desk, **MERGE_REQUEST)
    assert settings(make) == {"READ_ONLY": "1", **READER}
    assert at_origin(desk, "dvc.lock") == "before\n"
    assert (desk / "comment.md").read_text() == "<!-- digitsum: retraining --> of a model\n"
    assert "--request PUT" in (desk / "curl.txt").read_text()
    assert "merge_requests/7/notes/6" in (desk / "curl.txt").read_text()


def test_merge_request_of_a_fork_has_no_key_and_no_comment(desk: Path) -> None:
    make = pipeline(desk, **MERGE_REQUEST | {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"})
    assert settings(make) == {"READ_ONLY": "1", "LOCAL": "1"}
    assert not (desk / "curl.txt").exists()


def test_failed_retraining_takes_the_place_of_the_comment_before(desk: Path) -> None:
    commit("params.yaml", "failing\n")
    pipeline(desk, code=1, **MERGE_REQUEST)
    assert (desk / "comment.md").read_text().startswith("<!-- digitsum: retraining -->\n### ⚠️ Not retrained\n")
    assert "notes/6" in (desk / "curl.txt").read_text()


def test_without_a_remote_main_is_left_alone(desk: Path) -> None:
    (desk / "make.env").write_text("")
    commit(".dvc/config", "[core]\n    analytics = false\n")
    assert pipeline(desk, CI_PIPELINE_SOURCE="push", CI_COMMIT_BRANCH="main") == {}
    assert at_origin(desk, "dvc.lock") == "before\n"
