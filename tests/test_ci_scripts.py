"""The scripts that CI runs beside make, with a gh that writes down what it is asked."""

import json
import re
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
                assert "cache" not in [*step.get("with", {}), *step.get("uses", "").split("/")]
                if step.get("uses", "").startswith("actions/checkout"):
                    assert step["with"]["persist-credentials"] is False
