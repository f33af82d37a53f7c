"""The workflows of GitHub, run by act for each trigger, with stand-ins for GitHub: actions, gh, npm, the origin.

`make retrain` is a stand-in too, which writes down how it was called and changes dvc.lock. tests/test_retraining.py has
the real one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from shell import call

ACT = shutil.which("act", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
needs_act = pytest.mark.skipif(ACT is None, reason="act is not installed")

MAKEFILE = """retrain:
	@env > {calls}/$$$$.env
	@! grep -q failing params.yaml
	@mkdir -p .digitsum
	@printf '<!-- digitsum: retraining -->\\nof %s' "$$(git rev-parse HEAD)" > .digitsum/comment.md
	@[ -z "$$SET" ] || echo "$$SET" >> params.yaml
	@echo "of $$(git rev-parse HEAD)" > dvc.lock
check test:
	@echo $@ >> {calls}/ci.txt
run resolve audit:
	@echo $@ >> {calls}/ci.txt
release:
	@mkdir -p release && echo archive > release/digitsum.tar.gz && echo bill > release/digitsum.cdx.json
"""

ACTIONS = {  # what each does, in bash; inputs are read from the variables INPUT_NAME
    "actions/checkout": """
        git init -q -b checked-out . && git remote add origin {origin}
        git fetch -q origin '+refs/heads/*:refs/remotes/origin/*' '+refs/pull/*:refs/pull/*' '+refs/tags/*:refs/tags/*'
        git checkout -q --detach "${{INPUT_REF:-$GITHUB_SHA}}"
    """,
    "actions/setup-python": 'echo "$INPUT_PYTHON_VERSION" >> {calls}/pythons.txt',
    "actions/setup-node": 'echo "$INPUT_NODE_VERSION" > {calls}/node.txt',
    "actions/cache": 'echo "$INPUT_KEY" >> {calls}/caches.txt',
    "actions/upload-artifact": """
        artifact="{artifacts}/$GITHUB_RUN_ID/$INPUT_NAME"
        mkdir -p "$(dirname "$artifact")"
        mkdir "$artifact" # as on GitHub, a second one of a name is an error
        if [ -d "$INPUT_PATH" ]; then cp -r "$INPUT_PATH"/. "$artifact"; exit; fi
        for path in $INPUT_PATH; do cp --parents -r "$path" "$artifact"; done
    """,
    "actions/attest": 'echo "$INPUT_SUBJECT_PATH" >> {calls}/attested.txt',
}

GH = """#!/usr/bin/env python3
import json, os, shutil, sys
words = sys.argv[1:]
assert os.environ["GH_TOKEN"]
body = next((open(word[6:]).read() for word in words if word.startswith("body=@")), "")
with open("{calls}/gh.jsonl", "a") as file:
    file.write(json.dumps([*words, body]) + "\\n")
if words[:2] == ["run", "download"]:
    source = os.path.join("{artifacts}", words[2], words[words.index("--name") + 1])
    if not os.path.isdir(source):
        sys.exit("no valid artifacts found to download")
    shutil.copytree(source, words[words.index("--dir") + 1], dirs_exist_ok=True)
elif words[0] == "api" and words[3].endswith("/pulls"):
    print(7)
elif words[0] == "api" and "comments?" in "".join(words):
    print(99 if os.path.exists("{calls}/comment.md") else "")
elif words[0] == "api" and body:
    open("{calls}/comment.md", "w").write(body)
"""


def pins() -> list[str]:
    """All actions that the workflows use: owner/name@commit."""
    files = [*(ROOT / ".github").rglob("*.yml")]
    return sorted({pin for file in files for pin in re.findall(r"uses: (actions/\S+@\S+)", file.read_text())})


OURS = "us/digitsum"
Payload = dict[str, Any]
LABELS = ("ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "gpu", "small")
SECRETS = {  # of the environments; act has none, so it is given those of the one that the job names
    "main": {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "writes", "MLFLOW_TRACKING_URI": "http://mlflow"},
    "branches": {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reads"},
}


def pull_request(commit: str, head: str = OURS, user: str = "ann") -> Payload:
    """As GitHub describes it, and whether it comes from outside, so that GitHub gives it no secrets."""
    request = {
        "number": 7,
        "user": {"login": user},
        "head": {"ref": "mine", "sha": commit, "repo": {"full_name": head}},
        "base": {"ref": "main"},
    }
    return {"number": 7, "pull_request": request, "outside": head != OURS or user == "dependabot[bot]"}


@dataclass
class Forge:
    """A repository with its origin, and what was asked of the stand-ins."""

    folder: Path
    desk: str = "desk"
    run: int = 1
    attempt: int = 1

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    def git(self, *words: str) -> str:
        return call("git", "-C", str(self.folder / self.desk), *words).strip()

    def commit(self, branch: str, **files: str) -> str:
        """Writes files to the branch of the origin, which need not be there; returns the commit."""
        self.git("fetch", "-q", "origin")
        start = f"origin/{branch}" if branch in self.branches() else "origin/main"
        self.git("checkout", "-q", "--no-track", "-B", branch.replace("/", "-"), start)
        for name, text in files.items():
            (self.folder / self.desk / name.replace("__", "/")).write_text(text)
        self.git("commit", "-qam", f"Change {', '.join(files)}", "--allow-empty")
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def branches(self) -> list[str]:
        return call("git", "-C", str(self.origin), "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()

    def at_origin(self, branch: str, file: str) -> str:
        return call("git", "-C", str(self.origin), "show", f"{branch}:{file}").strip()

    def act(
        self, workflow: str, event: str, payload: Payload, code: int = 0, run: int | None = None, **variables: str
    ) -> str:
        """Its output, after a run of the workflow with the secrets that GitHub would give it."""
        number = self.run if run is None else run
        secrets = {"GITHUB_TOKEN": "token"}
        if workflow == "retrain" and not payload.get("outside"):
            secrets |= SECRETS[self.decided(event, payload, **variables)["environment"]]
        path = self.folder / f"event-{number}.json"
        path.write_text(json.dumps(payload))
        words = [str(ACT), event, "--eventpath", str(path), "--workflows", f".github/workflows/{workflow}.yml"]
        words += [
            "--directory",
            str(self.folder / self.desk),
            "--action-cache-path",
            str(self.folder / f"act-{number}"),
        ]
        words += ["--no-skip-checkout", "--no-cache-server", "--env", f"GITHUB_RUN_ID={number}"]
        words += ["--env", f"GITHUB_RUN_ATTEMPT={self.attempt}", "--env", f"GITHUB_REPOSITORY={OURS}"]
        words += [word for pair in secrets.items() for word in ("--secret", "=".join(pair))]
        words += [word for pair in variables.items() for word in ("--var", "=".join(pair))]
        words += [word for label in LABELS for word in ("--platform", f"{label}=-self-hosted")]
        for pin in pins():
            words += ["--local-repository", f"{pin}={self.folder / 'actions' / pin.split('@')[0]}"]
        here = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(words, env=here, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def decided(self, event: str, payload: Payload, **variables: str) -> dict[str, str]:
        """What the expressions of the job that retrains give: its environment and its runner."""
        job = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())["jobs"]["retrain"]
        asked = {"environment": job["environment"]["name"], "runner": job["runs-on"]}
        echo = {"run": 'echo "decided=$ENVIRONMENT $RUNNER"', "env": {name.upper(): asked[name] for name in asked}}
        path = self.folder / self.desk / ".github" / "workflows" / "decide.yml"
        path.write_text(json.dumps({"on": event, "jobs": {"decide": {"runs-on": "ubuntu-24.04", "steps": [echo]}}}))
        try:
            said = self.act("decide", event, payload, run=2000 + self.run, **variables)
        finally:
            path.unlink()
        found = re.search(r"\| decided=(\S+) (\S+)", said)
        assert found
        return dict(zip(asked, found.groups(), strict=True))

    def retrainings(self) -> list[dict[str, str]]:
        """The variables with which make was called, oldest first."""
        files = sorted(self.calls.glob("*.env"), key=lambda file: file.stat().st_mtime_ns)
        return [dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line) for file in files]

    def asked(self) -> list[list[str]]:
        path = self.calls / "gh.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def push(self, commit: str, **more: Any) -> str:
        self.git("checkout", "-q", commit)
        return self.act("retrain", "push", {"ref": "refs/heads/main"}, **more)

    def dispatch(self, ref: str, commit: str, inputs: dict[str, str] | None = None, **more: Any) -> str:
        self.git("checkout", "-q", commit)
        return self.act("retrain", "workflow_dispatch", {"ref": ref, "inputs": inputs or {}}, **more)

    def pull_request(self, commit: str, head: str = OURS, user: str = "ann", **more: Any) -> str:
        call("git", "-C", str(self.origin), "update-ref", "refs/pull/7/merge", commit)
        self.git("checkout", "-q", commit)
        return self.act("retrain", "pull_request", pull_request(commit, head, user), **more)

    def comment(self, conclusion: str, head: str = OURS) -> str:
        """The comment on the pull request after the workflow of that name."""
        ended = {
            "id": self.run,
            "run_attempt": self.attempt,
            "event": "pull_request",
            "conclusion": conclusion,
            "html_url": "https://forge.example/runs/1",
            "head_branch": "mine",
            "head_repository": {"full_name": head},
        }
        self.git("checkout", "-q", "origin/main")
        self.act("comment", "workflow_run", {"workflow_run": ended}, run=1000 + self.run)
        path = self.calls / "comment.md"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    """A repository like this one after its first commits, with a DVC remote."""
    made = Forge(tmp_path)
    places = {"calls": made.calls, "artifacts": tmp_path / "artifacts", "origin": made.origin}
    for folder in (made.calls, tmp_path / "bin", tmp_path / "home"):
        folder.mkdir()
    for name, script in ACTIONS.items():
        inputs = set(re.findall(r"INPUT_(\w+)", script))
        environment = {f"INPUT_{key}": f"${{{{ inputs.{key.lower().replace('_', '-')} }}}}" for key in inputs}
        step = {"shell": "bash", "run": script.format(**places), "env": environment}
        action = tmp_path / "actions" / name / "action.yml"
        action.parent.mkdir(parents=True)
        action.write_text(
            yaml.safe_dump(
                {
                    "name": name,
                    "description": "a stand-in",
                    "inputs": {key.lower().replace("_", "-"): {"description": "", "default": ""} for key in inputs},
                    "runs": {"using": "composite", "steps": [step]},
                }
            )
        )
    (tmp_path / "bin" / "gh").write_text(GH.format(**places))
    (tmp_path / "bin" / "gh").chmod(0o755)
    (tmp_path / "bin" / "npm").write_text(f'#!/bin/sh\necho "$@" > {made.calls}/npm.txt\n')
    (tmp_path / "bin" / "npm").chmod(0o755)

    call("git", "init", "-q", "--bare", "-b", "main", str(made.origin))
    call("git", "init", "-q", "-b", "main", str(tmp_path / "desk"))
    made.git("config", "user.email", "a@example.org")
    made.git("config", "user.name", "A")
    made.git("remote", "add", "origin", str(made.origin))
    desk = tmp_path / "desk"
    for folder in (".github", ".ci"):
        shutil.copytree(ROOT / folder, desk / folder)
    for workflow in (desk / ".github" / "workflows").iterdir():  # act knows environments, but not this word
        workflow.write_text(workflow.read_text().replace("      deployment: false\n", ""))
    for folder in (".dvc", "reports", "data", "models"):
        (desk / folder).mkdir()
        (desk / folder / ".gitignore").touch()
    (desk / "Makefile").write_text(MAKEFILE.format(**places))
    (desk / ".dvc" / "config").write_text("[core]\n    remote = shared\n['remote \"shared\"']\n    url = s3://bucket\n")
    for name in (
        "dvc.lock",
        "params.yaml",
        "README.md",
        "reports/metrics.json",
        "requirements.lock",
        "requirements-dev.lock",
    ):
        (desk / name).write_text("before\n")
    made.git("add", "--all")
    made.git("commit", "-qm", "First")
    made.git("push", "-q", "origin", "HEAD:main")
    return made


@needs_act
def test_push_to_main_retrains_with_keys_that_write_and_brings_the_result_back(forge: Forge) -> None:
    commit = forge.commit("main", **{"params.yaml": "new\n"})
    forge.push(commit)
    (make,) = forge.retrainings()
    assert settings(make) == {"BRANCH": "main"}
    assert keys(make) == SECRETS["main"]
    assert forge.at_origin("main", "dvc.lock") == f"of {commit}"
    assert forge.at_origin("main", "params.yaml") == "new"


@needs_act
def test_pull_request_retrains_with_keys_that_read_and_gets_the_result(forge: Forge) -> None:
    commit = forge.commit("mine", **{"params.yaml": "new\n"})
    forge.pull_request(commit)
    (make,) = forge.retrainings()
    assert settings(make) == {"READ_ONLY": "1"}
    assert keys(make) == SECRETS["branches"]
    assert forge.at_origin("mine", "dvc.lock") == f"of {commit}"
    assert forge.at_origin("main", "dvc.lock") == "before"
    assert f"of {commit}" in forge.comment("success")


@needs_act
@pytest.mark.parametrize(("head", "user"), [("them/digitsum", "bob"), (OURS, "dependabot[bot]")])
def test_pull_request_from_outside_has_no_key_and_writes_nothing(forge: Forge, head: str, user: str) -> None:
    commit = forge.commit("mine", **{"params.yaml": "new\n"})
    forge.pull_request(commit, head, user)
    (make,) = forge.retrainings()
    assert settings(make) == {"READ_ONLY": "1", "LOCAL": "1"}
    assert keys(make) == {}
    assert forge.at_origin("mine", "dvc.lock") == "before"
    assert ("Written by the code of a fork" in forge.comment("success", head)) == (head != OURS)


@needs_act
def test_schedule_runs_every_stage(forge: Forge) -> None:
    commit = forge.commit("main")
    forge.git("checkout", "-q", "main")
    forge.act("retrain", "schedule", {"ref": "refs/heads/main", "schedule": "17 3 * * 1"})
    (make,) = forge.retrainings()
    assert settings(make) == {"BRANCH": "main", "FORCE": "1"}
    assert forge.at_origin("main", "dvc.lock") == f"of {commit}"


@needs_act
def test_dispatch_brings_its_params_back(forge: Forge) -> None:
    hostile = "train.epochs=4 $(touch /tmp/never) `id`"
    forge.dispatch("refs/heads/main", forge.commit("main"), {"set": hostile, "force": "true"})
    (make,) = forge.retrainings()
    assert settings(make) == {"BRANCH": "main", "FORCE": "1", "SET": hostile}
    assert forge.at_origin("main", "params.yaml").splitlines() == ["before", hostile]


@needs_act
def test_dispatch_on_a_branch_reads_and_writes_to_that_branch(forge: Forge) -> None:
    commit = forge.commit("mine")
    forge.dispatch("refs/heads/mine", commit)
    (make,) = forge.retrainings()
    assert settings(make) == {"READ_ONLY": "1"}
    assert keys(make) == SECRETS["branches"]
    assert forge.at_origin("mine", "dvc.lock") == f"of {commit}"


@needs_act
@pytest.mark.parametrize("tag", ["v1.0.0", "main"])
def test_dispatch_on_a_tag_makes_no_branch_and_is_not_main(forge: Forge, tag: str) -> None:
    commit = forge.commit("mine")
    forge.git("push", "-q", "origin", f"HEAD:refs/tags/{tag}")
    forge.dispatch(f"refs/tags/{tag}", commit)
    (make,) = forge.retrainings()
    assert settings(make) == {"READ_ONLY": "1"}
    assert keys(make) == SECRETS["branches"]
    assert sorted(forge.branches()) == ["main", "mine"]
    assert forge.at_origin("refs/heads/main", "dvc.lock") == "before"


@needs_act
def test_without_a_remote_main_is_left_alone_with_a_notice_and_a_pull_request_is_retrained(forge: Forge) -> None:
    bare = {".dvc/config": "[core]\n    analytics = false\n"}
    assert "not retrained" in forge.push(forge.commit("main", **bare))
    assert forge.retrainings() == []
    assert forge.at_origin("main", "dvc.lock") == "before"
    forge.run = 2
    forge.pull_request(forge.commit("mine", **bare))
    (make,) = forge.retrainings()
    assert settings(make) == {"READ_ONLY": "1", "LOCAL": "1"}


@needs_act
def test_protected_branch_gets_a_pull_request_or_an_error_that_says_so(forge: Forge) -> None:
    hook = forge.origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    commit = forge.commit("main")
    hook.chmod(0o755)
    assert "error: main refuses the commit" in forge.push(commit, code=1)
    forge.run = 2
    forge.push(commit, RETRAIN_BRING_BACK="branch")
    assert forge.at_origin("main", "dvc.lock") == "before"
    assert forge.at_origin("retrained/main", "dvc.lock") == f"of {commit}"
    assert [words[:6] for words in forge.asked() if words[0] == "pr"] == [
        ["pr", "create", "--base", "main", "--head", "retrained/main"]
    ]


@needs_act
def test_second_attempt_of_a_run_passes(forge: Forge) -> None:
    commit = forge.commit("mine")
    forge.pull_request(commit)
    forge.attempt = 2
    forge.pull_request(commit)
    assert len(forge.retrainings()) == 2
    assert forge.at_origin("mine", "dvc.lock") == f"of {commit}"
    assert f"of {commit}" in forge.comment("success")


@needs_act
def test_of_two_pushes_at_once_the_later_wins(forge: Forge) -> None:
    earlier = forge.commit("main", **{"params.yaml": "earlier\n"})
    later = forge.commit("main", **{"params.yaml": "later\n"})
    desks = {}
    for number, commit in enumerate((earlier, later), start=1):
        forge.git("checkout", "-q", commit)
        shutil.copytree(forge.folder / "desk", forge.folder / f"desk-{number}")
        desks[number] = replace(forge, desk=f"desk-{number}", run=number)
    with ThreadPoolExecutor() as both:
        list(both.map(lambda number: desks[number].act("retrain", "push", {"ref": "refs/heads/main"}), desks))
    assert len(forge.retrainings()) == 2
    assert forge.at_origin("main", "dvc.lock") == f"of {later}"
    assert forge.at_origin("main", "params.yaml") == "later"


@needs_act
def test_failed_retraining_takes_the_place_of_the_comment_before(forge: Forge) -> None:
    forge.pull_request(forge.commit("mine"))
    assert "of " in forge.comment("success")
    forge.run = 2
    forge.pull_request(forge.commit("mine", **{"params.yaml": "failing\n"}), code=1)
    comment = forge.comment("failure")
    assert comment.startswith("<!-- digitsum: retraining -->\n### ⚠️ Not retrained: the workflow ended with `failure`")
    assert "https://forge.example/runs/1" in comment
    patches = [words for words in forge.asked() if "PATCH" in words]
    assert len(patches) == 1
    assert forge.comment("cancelled") == comment, "a newer run comments in its place"


@needs_act
@pytest.mark.parametrize(
    ("event", "payload", "environment", "runner"),
    [
        ("push", {"ref": "refs/heads/main"}, "main", "gpu"),
        ("schedule", {"ref": "refs/heads/main"}, "main", "gpu"),
        ("workflow_dispatch", {"ref": "refs/heads/mine"}, "branches", "ubuntu-24.04"),
        ("workflow_dispatch", {"ref": "refs/tags/main"}, "branches", "ubuntu-24.04"),
        ("pull_request", pull_request("0" * 40), "branches", "small"),
        ("pull_request", pull_request("0" * 40, "them/digitsum"), "branches", "ubuntu-24.04"),
        ("pull_request", pull_request("0" * 40, user="dependabot[bot]"), "branches", "ubuntu-24.04"),
    ],
)
def test_keys_that_write_and_own_runners_are_for_those_who_may(
    forge: Forge, event: str, payload: Payload, environment: str, runner: str
) -> None:
    forge.git("checkout", "-q", "main")
    made = forge.decided(event, payload, RETRAIN_RUNNER="gpu", BRANCH_RUNNER="small")
    assert made == {"environment": environment, "runner": runner}


@needs_act
def test_full_disk_is_an_error_before_anything_is_installed(forge: Forge) -> None:
    df = forge.folder / "bin" / "df"
    df.write_text("#!/bin/sh\necho Filesystem\necho /dev/sda1 10 10 9437184 50% /\n")
    df.chmod(0o755)
    assert "has 9 GiB free, and the environment and a retraining need 10" in forge.push(forge.commit("main"), code=1)
    assert forge.retrainings() == []


@needs_act
@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_ci_checks_every_python_and_machine_and_keeps_one_cache(forge: Forge, event: str) -> None:
    commit = forge.commit("mine")
    call("git", "-C", str(forge.origin), "update-ref", "refs/pull/7/merge", commit)
    forge.act("ci", event, {"ref": "refs/heads/main"} if event == "push" else pull_request(commit))
    pythons = (forge.calls / "pythons.txt").read_text().split()
    assert sorted(pythons) == ["3.11", "3.12", "3.13", "3.13", "3.14", "3.14"]
    called = sorted((forge.calls / "ci.txt").read_text().split())
    assert called == ["check"] * 4 + ["resolve"] + ["run"] * 2 + ["test"] * 4
    assert (forge.calls / "npm.txt").read_text() == "ci --prefix tests/gitlab\n"
    (cache,) = (forge.calls / "caches.txt").read_text().split()
    assert re.fullmatch(r"uv-Linux-X64-3\.11-[0-9a-f]{64}", cache)


@needs_act
def test_audit_runs_every_week(forge: Forge) -> None:
    forge.git("checkout", "-q", "main")
    forge.act("audit", "schedule", {"ref": "refs/heads/main"})
    assert (forge.calls / "ci.txt").read_text() == "audit\n"


@needs_act
def test_release_is_what_was_tested_and_is_signed(forge: Forge) -> None:
    commit = forge.commit("main")
    forge.git("push", "-q", "origin", f"{commit}:refs/tags/v1.2.3")
    forge.act("release", "push", {"ref": "refs/tags/v1.2.3"})
    assert (forge.calls / "ci.txt").read_text().split() == ["check", "test"]
    assert (forge.calls / "attested.txt").read_text() == "release/*\n"
    (words,) = [words for words in forge.asked() if words[:2] == ["release", "create"]]
    assert words[2:5] == ["v1.2.3", "release/digitsum.cdx.json", "release/digitsum.tar.gz"]
    assert not (forge.calls / "caches.txt").exists(), "nothing of a release comes from a cache"


def test_paths_that_start_a_retraining_are_all_that_it_depends_on() -> None:
    """What is in git and no stage reads it, nor what runs them, starts none."""
    triggers = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())[True]
    assert triggers["push"]["paths"] == triggers["pull_request"]["paths"]
    started = [path.removesuffix("**") for path in triggers["push"]["paths"]]
    tracked = call("git", "-C", str(ROOT), "ls-files").splitlines()
    others = {path for path in tracked if not path.startswith(tuple(started))}
    assert {path.split("/")[0] for path in others if "/" in path} <= {
        ".dvc",
        ".github",
        "benchmarks",
        "docs",
        "models",
        "recipes",
        "reports",
        "sweeps",
        "tests",
    }
    assert {path for path in others if path.startswith((".dvc/", ".github/"))} <= {
        ".dvc/.gitignore",
        *(path for path in tracked if re.match(r"\.github/(ISSUE|pull|dependabot|zizmor|workflows/(?!retrain))", path)),
    }
    assert all(any(path.startswith(start) for path in tracked) for start in started if start != "data/"), (
        "none is stale"
    )


def settings(make: dict[str, str]) -> dict[str, str]:
    """What the retraining was asked for, without what is empty."""
    return {name: make[name] for name in ("BRANCH", "READ_ONLY", "LOCAL", "SET", "FORCE") if make.get(name)}


def keys(make: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in make.items() if name.startswith(("AWS_", "MLFLOW_")) and value}
