"""The scripts that CI runs beside make, with a gh that writes down what it is asked."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from shell import call

GH = """#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
body = next((word.removeprefix("body=@") for word in words if word.startswith("body=@")), None)
with open("asked.jsonl", "a") as file:
    file.write(json.dumps([*words, open(body).read() if body else ""]) + "\\n")
if words[3].endswith("/pulls"):
    print({"head=us:mine": 7, "head=them:mine": 8}[words[7]])
elif any("comments?" in word for word in words):
    print(os.environ["KNOWN"])
"""
TEXT = "<!-- digitsum: retraining -->\nmodels:/digitsum@champion for @everyone\n"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    Path("comment.md").write_text(TEXT)
    return tmp_path


def comment(known: str, head: str, text: str = "comment.md") -> list[list[str]]:
    """What gh was asked to change."""
    call(
        "bash",
        "-c",
        f'PATH="$PWD:$PATH" exec {ROOT / ".ci" / "comment"}',
        KNOWN=known,
        COMMENT=text,
        HEAD_BRANCH="mine",
        HEAD_REPOSITORY=head,
        GITHUB_REPOSITORY="us/digitsum",
        LC_ALL="C.UTF-8",
    )
    asked = (
        [json.loads(line) for line in Path("asked.jsonl").read_text().splitlines()]
        if Path("asked.jsonl").exists()
        else []
    )
    return [words for words in asked if {"POST", "PATCH"} & {*words}]


@pytest.mark.usefixtures("ask")
def test_the_first_comment_is_posted_and_the_next_takes_its_place() -> None:
    (post,) = comment("", "us/digitsum")
    assert post[2:4] == ["POST", "repos/us/digitsum/issues/7/comments"]
    assert post[-1] == TEXT
    _, patch = comment("123", "us/digitsum")
    assert patch[2:4] == ["PATCH", "repos/us/digitsum/issues/comments/123"]


@pytest.mark.usefixtures("ask")
def test_what_a_fork_wrote_says_so_and_mentions_nobody() -> None:
    (post,) = comment("", "them/digitsum")
    assert post[3] == "repos/us/digitsum/issues/8/comments"
    assert post[-1].startswith("<!-- digitsum: retraining -->\n> Written by the code of a fork")
    assert "@everyone" not in post[-1]
    assert "@\u200beveryone" in post[-1]


@pytest.mark.usefixtures("ask")
def test_no_comment_and_a_link_to_something_else_are_not_posted() -> None:
    assert comment("", "them/digitsum", "nothing.md") == []
    Path("link.md").symlink_to("/etc/passwd")
    assert comment("", "them/digitsum", "link.md") == []


PATHS = ["params.yaml", "stages", "digitsum", "dvc.yaml", "dvc.lock", "data", "requirements.lock"]


def test_bring_back_knows_what_retrains() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())
    assert [path.removesuffix("/**") for path in workflow[True]["push"]["paths"]] == PATHS
    assert " ".join(PATHS) in (ROOT / ".ci" / "bring-back").read_text()


@pytest.fixture
def retrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which a retraining has changed dvc.lock; the current directory is another, whose pushes come first."""
    call("git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    for name in ("other", "retrained"):
        call("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / name))
        monkeypatch.chdir(tmp_path / name)
        call("git", "config", "user.email", "a@example.org")
        call("git", "config", "user.name", "A")
        if name == "other":
            for file in ("dvc.lock", "params.yaml", "README.md", "reports/metrics.json", "stages/train.py"):
                Path(file).parent.mkdir(exist_ok=True)
                Path(file).write_text("before\n")
            for part in ("data", "models", "reports"):
                Path(part).mkdir(exist_ok=True)
                (Path(part) / ".gitignore").touch()
            push_all()
    (tmp_path / "retrained" / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "bring-back", tmp_path / "retrained" / ".ci")
    (tmp_path / "retrained" / "dvc.lock").write_text("after\n")
    monkeypatch.chdir(tmp_path / "other")
    return tmp_path / "retrained"


def push_all() -> None:
    call("git", "add", "-A")
    call("git", "commit", "-qm", "some")
    call("git", "push", "-q", "origin", "HEAD:main")


def bring_back(retrained: Path, code: int = 0) -> tuple[str, str]:
    """What it says, and dvc.lock of the origin after it."""
    output = call(str(retrained / ".ci" / "bring-back"), code=code)
    call("git", "fetch", "-q", "origin", "main")
    return output, call("git", "show", "FETCH_HEAD:dvc.lock")


def test_result_comes_back_once(retrained: Path) -> None:
    assert bring_back(retrained) == ("bring-back: pushed to main\n", "after\n")
    assert bring_back(retrained) == ("bring-back: nothing changed\n", "after\n")


def test_result_comes_back_onto_commits_that_do_not_matter_to_it(retrained: Path) -> None:
    Path("README.md").write_text("after\n")
    push_all()
    output, lock = bring_back(retrained)
    assert "bring-back: pushed to main\n" in output
    assert lock == "after\n"
    assert call("git", "show", "FETCH_HEAD:README.md") == "after\n"
    assert bring_back(retrained) == ("bring-back: nothing changed\n", "after\n"), "it is on its branch as before"


@pytest.mark.parametrize("with_params", [False, True])
def test_result_of_what_has_changed_since_does_not_come_back(retrained: Path, with_params: bool) -> None:
    """Which is no harm, since that retrains, unless the params came from SET and are nowhere else."""
    Path("stages/train.py").write_text("after\n")
    push_all()
    if with_params:
        (retrained / "params.yaml").write_text("of SET\n")
    output, lock = bring_back(retrained, code=int(with_params))
    assert lock == "before\n"
    assert ("error: main has moved on, so the params" in output) == with_params


@pytest.mark.parametrize("moved", [False, True])
def test_branch_that_refuses_is_an_error(retrained: Path, moved: bool) -> None:
    if moved:
        Path("README.md").write_text("after\n")
        push_all()
    hook = retrained.parent / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    output, lock = bring_back(retrained, code=1)
    assert "error: main refuses the commit" in output
    assert lock == "before\n"


def test_workflows_are_the_thin_shell_that_they_should_be() -> None:
    """What the linters of make check do not ask: who may do what, and that no text of others gets into a shell."""
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        triggers = workflow[True]  # YAML 1.1 reads `on` so
        assert "pull_request_target" not in triggers
        assert "concurrency" in workflow
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job, name
            rights = job.get("permissions", workflow["permissions"])
            runs_project = any(re.match(r"make |\.ci/run", step.get("run", "")) for step in job["steps"])
            if runs_project:
                assert set(rights.values()) <= {"read"}, f"{path.name}: {name} runs what a pull request brings"
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
                assert "cache" not in [*step.get("with", {}), *re.split("[/@]", step.get("uses", ""))]
                if step.get("uses", "").startswith("actions/checkout"):
                    assert step["with"]["persist-credentials"] is False
