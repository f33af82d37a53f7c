"""The one place that runs git."""

import os
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

from digitsum.errors import InputError

# of the user's GIT_* variables, those that choose no repository and no files
KEPT = ("GIT_CONFIG", "GIT_SSH", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_")


def clean_environment() -> dict[str, str]:
    """The environment without git's choice of a repository, for git and for programs that run git.

    Aliases, hooks and `git rebase --exec` run with GIT_DIR, GIT_WORK_TREE or GIT_INDEX_FILE set. These would lead a
    call on a clone to the user's own checkout, so the current folder alone decides which repository is meant.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(KEPT)}


def git(*words: str, folder: Path | None = None) -> str:
    """What git prints, in English, when it runs in `folder`; None is the current folder.

    Raises:
        InputError: if git is missing, or the folder is in no repository.
        CalledProcessError: if git fails for another reason.
    """
    return _run(words, folder).decode()


def _run(words: tuple[str, ...], folder: Path | None = None, given: bytes | None = None) -> bytes:
    command = ["git", "-c", "log.showSignature=false", *words]
    here = clean_environment() | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, cwd=folder, env=here, input=given, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise InputError("git: no such command; results are identified by their commits, so install it") from error
    except subprocess.CalledProcessError as error:
        error.stderr = error.stderr.decode(errors="replace")
        if "not a git repository" in error.stderr:
            raise InputError(
                f"{folder or Path.cwd()}: not a git repository; results are identified by their commits: git init"
            ) from error
        if "dubious ownership" in error.stderr:
            folder = folder or Path.cwd()
            raise InputError(
                f"{folder}: belongs to another user, so git does not read it; if you trust it: "
                f"git config --global --add safe.directory {shlex.quote(str(folder))}"
            ) from error
        raise
    return done.stdout


def head_commit() -> str:
    """
    Raises:
        InputError: if there is no commit yet.
    """
    if (commit := commit_of("HEAD")) is None:
        raise InputError(f"{Path.cwd()}: no commit yet; results are identified by their commits: git commit")
    return commit


def commit_of(revision: str) -> str | None:
    """The commit that a revision names; None if it names none.

    Raises:
        InputError: if git is missing, or the current folder is in no repository.
    """
    if revision.startswith("-") or not revision.isprintable():
        return None
    try:
        return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except subprocess.CalledProcessError:
        return None


def current_branch() -> str:
    """The branch that is checked out; where HEAD is detached, as in CI, the variable BRANCH, or an empty string."""
    return git("branch", "--show-current").strip() or os.environ.get("BRANCH", "")


def branch_with(commit: str) -> str:
    """The branch that is checked out, if it contains a commit; otherwise empty."""
    with suppress(InputError, subprocess.CalledProcessError):
        git("merge-base", "--is-ancestor", commit, "HEAD")
        return current_branch()
    return ""


def origin_url() -> str:
    """Where the remote `origin` is; empty without one."""
    with suppress(InputError, subprocess.CalledProcessError):
        return git("remote", "get-url", "origin").strip()
    return ""


def is_commit(text: str) -> bool:
    """Whether a text is a whole commit id, of SHA-1 or SHA-256, and nothing else."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def top_folder() -> Path:
    """The root of the repository, which may lie above the project."""
    return Path(git("rev-parse", "--show-toplevel").rstrip("\n"))


def project_folder() -> str:
    """The current folder relative to the root of the repository, with a slash behind it; empty at the root."""
    return git("rev-parse", "--show-prefix").rstrip("\n")


def blobs(commit: str, paths: list[str]) -> list[bytes]:
    """The contents of files in a commit, relative to the current folder; empty where the commit has no such file."""
    wanted = "".join(f"{commit}:./{path}\n" for path in paths).encode()
    output = _run(("cat-file", "--batch"), given=wanted)
    found, place = [], 0
    for _ in paths:
        header, _, _ = output[place:].partition(b"\n")
        place += len(header) + 1
        size = 0 if header.endswith(b"missing") else int(header.split()[-1])
        found.append(output[place : place + size])
        place += 0 if header.endswith(b"missing") else size + 1
    return found


def diff(*words: str) -> str:
    """A patch with paths relative to the current folder that `git apply` takes, whatever the user's settings are."""
    form = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--binary")
    return git("diff", "--relative", *form, *words)
