"""What is asked of git."""

import os
import subprocess
from pathlib import Path

from digitsum.errors import InputError


def git(*words: str) -> str:
    """
    Raises:
        InputError: if git or a repository of it is missing.
        CalledProcessError: if git refuses.
    """
    try:
        english = os.environ | {"LC_ALL": "C"}
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, env=english).stdout
    except FileNotFoundError as error:
        raise InputError("git: no such command; results are told apart by their commits, so install it") from error
    except subprocess.CalledProcessError as error:
        if "not a git repository" in error.stderr:
            raise InputError(
                f"{Path.cwd()}: not a git repository; results are told apart by commits: git init"
            ) from error
        raise


def head_commit() -> str:
    """
    Raises:
        InputError: if there is none yet.
    """
    try:
        return git("rev-parse", "--verify", "HEAD").strip()
    except subprocess.CalledProcessError as error:
        raise InputError(f"{Path.cwd()}: no commit yet; results are told apart by commits: git commit") from error


def blobs(commit: str, paths: list[str]) -> list[bytes]:
    """What a commit has of files; nothing of those that it does not have."""
    wanted = "".join(f"{commit}:{path}\n" for path in paths).encode()
    said = subprocess.run(["git", "cat-file", "--batch"], input=wanted, capture_output=True, check=True).stdout
    found, place = [], 0
    for _ in paths:
        header, _, _ = said[place:].partition(b"\n")
        place += len(header) + 1
        size = 0 if header.endswith(b"missing") else int(header.split()[-1])
        found.append(said[place : place + size])
        place += 0 if header.endswith(b"missing") else size + 1
    return found


def diff(*words: str) -> str:
    """A patch that `git apply` takes, whatever the user's settings are."""
    form = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--binary")
    return git("diff", *form, *words)
