"""Git in the folder where the project is, whatever the user's settings and variables are: real git."""

import os
from pathlib import Path

import pytest
from shell import call

from digitsum.errors import InputError
from digitsum.tracking.results.git import blobs, commit_of, git, head_commit, project_folder, top_folder


def repository(folder: Path) -> str:
    """A repository with one commit of a file in a subfolder; the commit."""
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "file").write_text(f"in {folder.name}\n")
    call("git", "-C", str(folder), "init", "-q")
    for name, value in {"user.email": "a@example.org", "user.name": "A"}.items():
        call("git", "-C", str(folder), "config", name, value)
    call("git", "-C", str(folder), "add", "-A")
    call("git", "-C", str(folder), "commit", "-qm", folder.name)
    return call("git", "-C", str(folder), "rev-parse", "HEAD").strip()


def test_folder_alone_decides_which_repository_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks, aliases and `git rebase --exec` run with variables that name the user's checkout."""
    users, clone = (repository(tmp_path / name) for name in ("users", "clone"))
    assert users != clone
    (tmp_path / "users" / "project" / "file").write_text("changed")
    call("git", "-C", str(tmp_path / "users"), "add", "-A")
    index = (tmp_path / "users" / ".git" / "index").read_bytes()
    monkeypatch.chdir(tmp_path / "users")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "users" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "users"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "users" / ".git" / "index"))
    assert git("rev-parse", "HEAD", folder=tmp_path / "clone").strip() == clone
    git("rm", "-q", "project/file", folder=tmp_path / "clone")
    assert not (tmp_path / "clone" / "project").exists()
    assert (tmp_path / "users" / "project" / "file").read_text() == "changed"
    assert (tmp_path / "users" / ".git" / "index").read_bytes() == index
    assert head_commit() == users


def test_paths_are_relative_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository(tmp_path / "outer")
    monkeypatch.chdir(tmp_path / "outer" / "project")
    assert blobs(commit, ["file", "missing", "file"]) == [b"in outer\n", b"", b"in outer\n"]
    assert (top_folder(), project_folder()) == (tmp_path / "outer", "project/")


def test_signatures_are_not_part_of_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
    Path("allowed").write_text(f"a@example.org {Path('key.pub').read_text()}")
    settings = {"gpg.format": "ssh", "user.signingkey": str(tmp_path / "key.pub"), "log.showSignature": "true"}
    for name, value in (settings | {"gpg.ssh.allowedSignersFile": str(tmp_path / "allowed")}).items():
        call("git", "config", name, value)
    call("git", "commit", "-q", "--allow-empty", "-S", "-m", "signed")
    assert "Good" in call("git", "show", "-s", "--format=%ct", "HEAD")
    assert git("show", "-s", "--format=%ct", "HEAD").strip().isdecimal()


def test_revision_that_looks_like_an_option_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert commit_of("HEAD") == commit_of(commit[:7]) == commit
    for revision in ("--all", "-h", "nothing", "", "HEAD\n"):
        assert commit_of(revision) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_checkout_of_another_owner_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("git", "init", "-q", str(tmp_path / "theirs"))
    for path in (tmp_path / "theirs", tmp_path / "theirs" / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.chdir(tmp_path / "theirs")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(InputError, match=r"belongs to another user.*safe\.directory"):
        head_commit()


def test_what_is_no_repository_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"not a git repository; .*: git init"):
        head_commit()
    call("git", "init", "-q")
    with pytest.raises(InputError, match=r"no commit yet; .*: git commit"):
        head_commit()
