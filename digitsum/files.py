"""Writes that are whole or absent."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from digitsum.errors import InputError, one_line

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)  # NumPy and Pillow set no error number


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place only if the block succeeds.

    Raises:
        InputError: if the folder cannot be written, or its disk is full.
    """
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _not_on_a_full_disk(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside `path` that takes its place only if the block succeeds.

    Raises:
        InputError: if the folder cannot be written, or its disk is full.
    """
    _make_folder(path.parent)
    try:
        temporary = Path(tempfile.mkdtemp(".tmp", f".{path.name}.", path.parent))
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror}); it must be a folder you may write to"
        ) from error
    try:
        temporary.chmod(0o755)
        with _not_on_a_full_disk(path):
            yield temporary
        old = temporary.with_name(f"{temporary.name}.old")
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clear_leftovers(path: Path) -> None:
    """Remove what processes that died while they wrote `path` left beside it; none may be writing it now."""
    for left in path.parent.glob(f".{path.name}.*.tmp*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink()


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _not_on_a_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        reason = error.strerror or one_line(error)
        raise InputError(f"{path}: cannot be written ({reason}); free space on its disk") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); it must be a folder you may write to") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{path}: cannot be written; it must be a folder you may write to")


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
