"""Writes that are whole or absent, and reads that are checked."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from digitsum.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place only if the block succeeds."""
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside `path` that takes its place only if the block succeeds."""
    _make_folder(path.parent)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror}); it must be a folder you may write to"
        ) from error
    try:
        temporary.chmod(0o755)
        yield temporary
        old = temporary.with_name(f"{temporary.name}.old")
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def read_json(path: Path) -> Any:
    """
    Raises:
        InputError: if the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the stage before this one writes it (dvc repro)") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error


def read_array(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped and never unpickled.

    Raises:
        InputError: if the file is missing, empty, truncated, holds Python objects, or is no .npy file.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; a .npy array is expected")
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a .npy array is expected") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
        if "Python objects" in str(error):
            raise InputError(
                f"{path}: holds Python objects, which are never unpickled; a plain numeric array is expected"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: truncated, or not a .npy file ({reason[:120]})") from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def repository_root() -> Path:
    """DVC runs experiments in copies that it deletes; DVC_ROOT names the real repository even there."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def code_digest() -> str:
    """Of all of this project's code that stages share."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
