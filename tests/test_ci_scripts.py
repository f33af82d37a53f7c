"""The scripts that CI runs besides make, with a `gh` that records its arguments."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from shell import call

BIN = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
WORKFLOWS = [*(ROOT / ".github" / "workflows").glob("*.yml")]
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


def comment(known: str, head: str, text: str = "comment.md", conclusion: str = "success") -> list[list[str]]:
    """The calls of gh that change something."""
    call(
        "bash",
        "-c",
        f'PATH="$PWD:$PATH" exec {ROOT / ".ci" / "comment"}',
        KNOWN=known,
        COMMENT=text,
        CONCLUSION=conclusion,
        RUN_URL="https://forge.example/runs/1",
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
def test_the_first_comment_is_posted_and_the_next_replaces_it() -> None:
    (post,) = comment("", "us/digitsum")
    assert post[2:4] == ["POST", "repos/us/digitsum/issues/7/comments"]
    assert post[-1] == TEXT
    _, patch = comment("123", "us/digitsum")
    assert patch[2:4] == ["PATCH", "repos/us/digitsum/issues/comments/123"]


@pytest.mark.usefixtures("ask")
def test_a_comment_of_a_fork_is_marked_and_mentions_nobody() -> None:
    (post,) = comment("", "them/digitsum")
    assert post[3] == "repos/us/digitsum/issues/8/comments"
    assert post[-1].startswith("<!-- digitsum: retraining -->\n> Written by the code of a fork")
    assert "@everyone" not in post[-1]
    assert "@\u200beveryone" in post[-1]


@pytest.mark.usefixtures("ask")
def test_a_missing_comment_and_a_symlink_are_not_posted() -> None:
    assert comment("", "them/digitsum", "nothing.md") == []
    Path("link.md").symlink_to("/etc/passwd")
    assert comment("", "them/digitsum", "link.md") == []


@pytest.mark.usefixtures("ask")
def test_failure_takes_the_place_of_the_comment_before_unless_there_is_a_newer_one() -> None:
    (patch,) = comment("123", "them/digitsum", "nothing.md", "timed_out")
    assert patch[3] == "repos/us/digitsum/issues/comments/123"
    assert "### ⚠️ Not retrained: the workflow ended with `timed_out`" in patch[-1]
    *_, patch = comment("123", "us/digitsum", conclusion="failure")
    assert patch[-1] == TEXT, "it was retrained, and bringing the result back failed"


def test_bring_back_knows_what_a_result_depends_on() -> None:
    """The deps of the stages, in git; and each of them starts a retraining."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    deps = {dep.split("/")[0] for stage in stages for dep in stage["deps"]} - {"models", "reports"}
    script = (ROOT / ".ci" / "bring-back").read_text()
    (names,) = re.findall(r"git diff --quiet HEAD\^ FETCH_HEAD -- (.+); then", script)
    assert deps | {"params.yaml", "dvc.yaml", "dvc.lock"} == set(names.split())
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())
    assert {*names.split()} <= {path.removesuffix("/**") for path in workflow[True]["push"]["paths"]}


def test_pushes_to_other_branches_and_of_tags_start_nothing_but_a_release() -> None:
    """act looks at no filter of branches, and GitHub excludes tags where there is one."""
    for path in WORKFLOWS:
        push = yaml.safe_load(path.read_text())[True].get("push", {"branches": ["main"]})
        expected = {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]} if path.stem == "release" else {"branches": ["main"]}
        assert {name: push[name] for name in push if name != "paths"} == expected


def test_gitlab_retrains_for_the_same_changes_as_github() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())
    paths = {path.removesuffix("/**") for path in workflow[True]["push"]["paths"] if ".github" not in path}
    pipeline = yaml.safe_load((ROOT / "docs" / "gitlab-ci.yml").read_text())
    assert paths == {path.removesuffix("/**/*") for path in pipeline[".changes"]} - {".gitlab-ci.yml"}


@pytest.fixture
def retrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which a retraining changed dvc.lock; the current directory is another clone, which pushes first."""
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
    """The output, and dvc.lock at the origin afterwards."""
    output = call(str(retrained / ".ci" / "bring-back"), code=code)
    call("git", "fetch", "-q", "origin", "main")
    return output, call("git", "show", "FETCH_HEAD:dvc.lock")


def test_result_comes_back_once(retrained: Path) -> None:
    assert bring_back(retrained) == ("bring-back: pushed to main\n", "after\n")
    assert bring_back(retrained) == ("bring-back: nothing changed\n", "after\n")


def test_result_comes_back_on_top_of_unrelated_commits(retrained: Path) -> None:
    Path("README.md").write_text("after\n")
    push_all()
    output, lock = bring_back(retrained)
    assert "bring-back: pushed to main\n" in output
    assert lock == "after\n"
    assert call("git", "show", "FETCH_HEAD:README.md") == "after\n"
    assert bring_back(retrained) == ("bring-back: nothing changed\n", "after\n"), "its clone is on its branch again"


@pytest.mark.parametrize("with_params", [False, True])
def test_result_does_not_come_back_if_its_inputs_changed_meanwhile(retrained: Path, with_params: bool) -> None:
    """The push that changed them retrains anyway; params from SET would be lost, so these are an error."""
    Path("stages/train.py").write_text("after\n")
    push_all()
    if with_params:
        (retrained / "params.yaml").write_text("of SET\n")
    output, lock = bring_back(retrained, code=int(with_params))
    assert lock == "before\n"
    assert ("error: main has moved on, so the params" in output) == with_params


@pytest.mark.parametrize("moved", [False, True])
def test_branch_that_refuses_the_commit_is_an_error(retrained: Path, moved: bool) -> None:
    if moved:
        Path("README.md").write_text("after\n")
        push_all()
    hook = retrained.parent / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    output, lock = bring_back(retrained, code=1)
    assert "error: main refuses the commit" in output
    assert lock == "before\n"


@pytest.mark.parametrize("gone", ["v1.0.0", "merged"])
def test_name_that_is_no_branch_of_the_origin_becomes_none(retrained: Path, gone: str) -> None:
    """Neither a tag's nor that of a branch that was merged and deleted meanwhile."""
    call("git", "tag", "v1.0.0")
    call("git", "push", "-q", "origin", "v1.0.0")
    for manner in ("commit", "branch"):
        said = call(str(retrained / ".ci" / "bring-back"), code=1, BRANCH=gone, BRING_BACK=manner)
        assert said == f"error: BRANCH: the origin has no branch {gone}; name the one to bring dvc.lock back to\n"
    assert call("git", "ls-remote", "--heads", "origin").split()[1::2] == ["refs/heads/main"]


@pytest.mark.parametrize(
    ("config", "variables", "asked"),
    [
        ("[core]\n    remote = shared\n", {}, "LOCAL= "),
        ("[core]\n    remote = shared\n", {"LOCAL": "1"}, "LOCAL=1 "),
        ("[core]\n    analytics = false\n['remote \"other\"']\n    url = /mnt\n", {"READ_ONLY": "1"}, "LOCAL=1 "),
        ("", {}, None),
    ],
)
def test_retraining_without_a_remote(tmp_path: Path, config: str, variables: dict[str, str], asked: str | None) -> None:
    for folder in (".ci", ".dvc"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / ".ci" / "retrain", tmp_path / ".ci")
    (tmp_path / ".dvc" / "config").write_text(config)
    (tmp_path / "Makefile").write_text(
        "retrain:\n\t@mkdir .digitsum; echo LOCAL=$$LOCAL . | tee .digitsum/comment.md\n"
    )
    output, summary = tmp_path / "output", tmp_path / "summary"
    said = call(
        str(tmp_path / ".ci" / "retrain"), GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary), **variables
    )
    if asked is None:
        assert said.startswith("::notice title=not retrained::.dvc/config: no default remote")
        assert not output.exists()
    else:
        assert summary.read_text() == said == f"{asked}.\n"
        assert output.read_text() == "artifact=retrained-1\n"


PYTHON = """#!/bin/bash
[ "$1" = -m ] || exit 0
mkdir -p .venv/bin
for name in pip uv python dvc pytest; do
  printf '#!/bin/bash\\necho %s "$@" >> calls.txt\\n' $name > .venv/bin/$name
  chmod +x .venv/bin/$name
done
"""


def synced() -> list[list[str]]:
    """The lock files of each time that packages were installed since the last look."""
    calls = Path("calls.txt").read_text().splitlines() if Path("calls.txt").exists() else []
    Path("calls.txt").unlink(missing_ok=True)
    return [[word for word in call.split() if word.endswith(".lock")][1:] for call in calls if call.startswith("uv ")]


def test_make_run_installs_what_runs_alone_and_make_test_adds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "Makefile", ".")
    Path("requirements.lock").write_text("numpy==2\n")
    Path("requirements-dev.lock").write_text("uv==1\n")
    Path("python").write_text(PYTHON)
    Path("python").chmod(0o755)
    make = ("make", f"PYTHON={tmp_path / 'python'}")
    both = ["requirements.lock", "requirements-dev.lock"]
    call(*make, "run")
    assert synced() == [["requirements.lock", ".venv/uv.lock"]]
    call(*make, "run")
    assert synced() == []
    call(*make, "test")
    assert synced() == [both]
    call(*make, "run", "test")
    assert synced() == []
    os.utime("requirements.lock")
    call(*make, "run")
    assert synced() == [both], "what tests need is kept"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cyclonedx-py", path=BIN) is None, reason="cyclonedx-bom is not installed")
def test_release_lists_every_package_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Makefile", "README.md", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, ".")
    Path(".venv").symlink_to(ROOT / ".venv")
    call("git", "init", "-q")
    call("git", "config", "user.email", "a@example.org")
    call("git", "config", "user.name", "A")
    call("git", "add", "README.md")
    call("git", "commit", "-qm", "some")
    call("make", "-o", ".venv/ready-dev", "release")
    bill = json.loads(Path("release/digitsum.cdx.json").read_text())
    locked = set(re.findall(r"(?m)^([a-z0-9.-]+)(?:\[.*\])?==(\S+)", Path("requirements.lock").read_text()))
    assert {(part["name"], part["version"]) for part in bill["components"]} == locked
    assert bill["metadata"]["component"]["name"] == "digitsum"
    assert call("tar", "--list", "--file", "release/digitsum.tar.gz").split() == ["digitsum/", "digitsum/README.md"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights_and_pass_no_text_of_others_to_a_shell(path: Path) -> None:
    """Rules that the linters of `make check` do not know."""
    workflow = yaml.safe_load(path.read_text())
    triggers = workflow[True]  # YAML 1.1 reads `on` as true
    assert "pull_request_target" not in triggers
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        rights = job.get("permissions", workflow["permissions"])
        runs_project = any(re.match(r"\s*(make |\.ci/(run|retrain))", step.get("run", "")) for step in job["steps"])
        if runs_project:
            assert set(rights.values()) <= {"read"}, f"{path.name}: {name} runs code of a pull request"
        if "secrets." in str(job):
            assert "environment" in job, f"{path.name}: {name} has keys, so an environment decides who gets them"
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False
            if path.stem == "release" and step.get("uses", "").endswith("environment"):
                assert step["with"]["cache"] == "false"
