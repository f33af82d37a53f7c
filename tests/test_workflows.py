"""The workflows of GitHub, run for each trigger by act, with stand-ins for GitHub: its actions, gh, and the origin.

`make retrain` is a stand-in too, which writes down how it was called and changes dvc.lock. tests/test_retraining.py has
the real one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
	@mkdir -p .digitsum && printf '<!-- digitsum: retraining -->\\nof %s' "$$(git rev-parse HEAD)" > .digitsum/comment.md
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
    "actions/cache": 'echo "$INPUT_KEY" >> {calls}/caches.txt',
    "actions/upload-artifact": """
        artifact="{artifacts}/$GITHUB_RUN_ID/$INPUT_NAME"
        mkdir -p "$(dirname "$artifact")"
        mkdir "$artifact" # as on GitHub, a second one of a name is an error
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
    """Of all actions that the workflows use: owner/name@commit."""
    files = [*(ROOT / ".github").rglob("*.yml")]
    return sorted({pin for file in files for pin in re.findall(r"uses: (actions/\S+@\S+)", file.read_text())})


@dataclass
class Forge:
    """A repository with its origin, and what was asked of the stand-ins."""

    folder: Path
    run: int = 1
    attempt: int = 1

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    def git(self, *words: str) -> str:
        return call("git", "-C", str(self.folder / "desk"), *words).strip()

    def commit(self, branch: str, **files: str) -> str:
        """Writes files to the branch of the origin, which need not be there; returns the commit."""
        self.git("fetch", "-q", "origin")
        start = f"origin/{branch}" if branch in self.branches() else "origin/main"
        self.git("checkout", "-q", "--no-track", "-B", branch.replace("/", "-"), start)
        for name, text in files.items():
            (self.folder / "desk" / name.replace("__", "/")).write_text(text)
        self.git("commit", "-qam", f"Change {', '.join(files)}", "--allow-empty")
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def branches(self) -> list[str]:
        return call("git", "-C", str(self.origin), "branch", "--format", "%(refname:short)").split()

    def at_origin(self, branch: str, file: str) -> str:
        return call("git", "-C", str(self.origin), "show", f"{branch}:{file}").strip()

    def act(
        self, workflow: str, event: str, payload: dict[str, Any], code: int = 0, run: int | None = None, **variables: str
    ) -> str:
        """Its output, after a run of the workflow with secrets as they would be on GitHub."""
        number = self.run if run is None else run
        path = self.folder / f"event-{number}.json"
        path.write_text(json.dumps(payload))
        outside = payload.get("outside", False)
        secrets = {} if outside else {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "MLFLOW_TRACKING_URI": "http://mlflow"}
        words = [str(ACT), event, "--eventpath", str(path), "--workflows", f".github/workflows/{workflow}.yml"]
        words += ["--directory", str(self.folder / "desk"), "--action-cache-path", str(self.folder / f"act-{number}")]
        words += ["--no-skip-checkout", "--no-cache-server", "--env", f"GITHUB_RUN_ID={number}"]
        words += ["--env", f"GITHUB_RUN_ATTEMPT={self.attempt}", "--secret", "GITHUB_TOKEN=token"]
        for name, value in secrets.items():
            words += ["--secret", f"{name}={value}"]
        for name, value in variables.items():
            words += ["--var", f"{name}={value}"]
        for label in ("ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "gpu", "small"):
            words += ["--platform", f"{label}=-self-hosted"]
        for pin in pins():
            words += ["--local-repository", f"{pin}={self.folder / 'actions' / pin.split('@')[0]}"]
        here = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(words, env=here, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def retrainings(self) -> list[dict[str, str]]:
        """The variables with which make was called, oldest first."""
        files = sorted(self.calls.glob("*.env"), key=lambda file: file.stat().st_mtime_ns)
        return [dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line) for file in files]

    def asked(self) -> list[list[str]]:
        path = self.calls / "gh.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def push(self, commit: str, branch: str = "main", **more: Any) -> str:
        self.git("checkout", "-q", commit)
        return self.act("retrain", "push", {"ref": f"refs/heads/{branch}", "after": commit}, **more)

    def dispatch(self, ref: str, commit: str, inputs: dict[str, str] | None = None, **more: Any) -> str:
        self.git("checkout", "-q", commit)
        return self.act("retrain", "workflow_dispatch", {"ref": ref, "inputs": inputs or {}}, **more)

    def pull_request(self, commit: str, head: str = "us/digitsum", user: str = "ann", **more: Any) -> str:
        call("git", "-C", str(self.origin), "update-ref", "refs/pull/7/merge", commit)
        self.git("checkout", "-q", commit)
        payload = {
            "number": 7,
            "pull_request": {
                "number": 7,
                "user": {"login": user},
                "head": {"ref": "mine", "sha": commit, "repo": {"full_name": head}},
                "base": {"ref": "main"},
            },
            "outside": head != "us/digitsum" or user == "dependabot[bot]",
        }
        return self.act("retrain", "pull_request", payload, **more)

    def comment(self, conclusion: str, head: str = "us/digitsum") -> str:
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

    call("git", "init", "-q", "--bare", "-b", "main", str(made.origin))
    call("git", "init", "-q", "-b", "main", str(tmp_path / "desk"))
    for key, value in {"user.email": "a@example.org", "user.name": "A", "remote.origin.url": "https://forge.example/us/digitsum"}.items():
        made.git("config", key, value)
    made.git("config", f"url.{made.origin}.insteadOf", "https://forge.example/us/digitsum")
    made.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    desk = tmp_path / "desk"
    for folder in (".github", ".ci"):
        shutil.copytree(ROOT / folder, desk / folder)
    for folder in (".dvc", "reports", "data", "models"):
        (desk / folder).mkdir()
        (desk / folder / ".gitignore").touch()
    (desk / "Makefile").write_text(MAKEFILE.format(**places).replace("run:\n\t@echo", "run:\n\t@echo"))
    (desk / ".dvc" / "config").write_text("[core]\n    remote = shared\n['remote \"shared\"']\n    url = s3://bucket\n")
    for name in ("dvc.lock", "params.yaml", "README.md", "reports/metrics.json", "requirements.lock", "requirements-dev.lock"):
        (desk / name).write_text("before\n")
    made.git("add", "--all")
    made.git("commit", "-qm", "First")
    made.git("push", "-q", "origin", "HEAD:main")
    return made


@needs_act
def test_push_to_main_retrains_with_all_rights_and_brings_the_result_back(forge: Forge) -> None:
    commit = forge.commit("main", params__yaml="new\n") if False else forge.commit("main", **{"params.yaml": "new\n"})
    forge.push(commit)
    (call_,) = forge.retrainings()
    assert (call_["BRANCH"], call_["READ_ONLY"], call_["LOCAL"], call_["FORCE"]) == ("main", "", "", "")
    assert call_["AWS_ACCESS_KEY_ID"] == "key"
    assert forge.at_origin("main", "dvc.lock") == f"of {commit}"
    assert forge.at_origin("main", "params.yaml") == "new"
