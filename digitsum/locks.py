"""Locks between processes. The kernel releases a lock when its process ends, however it ends."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from digitsum.errors import InputError
from digitsum.places import STATE, repository_root

LOCKS = STATE / "locks"


@dataclass(frozen=True)
class Lock:
    """A try to lock a file, and whether it succeeded."""

    path: Path
    file: IO[str]
    held: bool

    def still_there(self) -> bool:
        """Whether others who lock the path meet this lock, since nobody removed or replaced the file."""
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except OSError:
            return False


@contextmanager
def alone(name: str, wait: bool = True) -> Iterator[bool]:
    """Hold this repository's lock `name` while the block runs.

    Yields True once the lock is held. With `wait` False, it yields False if another process holds the lock.

    Raises:
        InputError: if the lock's file cannot be written.
    """
    with locked(repository_root() / LOCKS / name, wait) as lock:
        yield lock.held


@contextmanager
def locked(path: Path, wait: bool = True, anywhere: bool = False) -> Iterator[Lock]:
    """Hold the lock of a file, which is made where it is missing, while the block runs.

    On a file system without locks, a file in this machine's temporary folder stands in; with `anywhere`, also for a
    file that cannot be written.

    Raises:
        InputError: if the file cannot be written, or no file can be locked.
    """
    operation = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    with ExitStack() as files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = files.enter_context(path.open("a"))
        except OSError as error:
            if not anywhere:
                raise InputError(
                    f"{path}: cannot be written ({error.strerror}); it must be a file you may write to"
                ) from error
            path = _stand_in(path)
            file = files.enter_context(path.open("a"))
        try:
            held = _lock(file, operation)
        except LocklessError:
            path = _stand_in(path)
            file = files.enter_context(path.open("a"))
            try:
                held = _lock(file, operation)
            except LocklessError as error:
                raise InputError(f"{path}: cannot be locked ({error}); use a file system that has flock") from error
        yield Lock(path, file, held)


class LocklessError(Exception):
    """The file system has no locks."""


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    with path.open() as file:
        try:
            return not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except LocklessError:
            with _stand_in(path).open("a") as other:
                return not _lock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _stand_in(path: Path) -> Path:
    folder = Path(tempfile.gettempdir()) / f"digitsum-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()[:32]


def _lock(file: IO[str], operation: int) -> bool:
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LocklessError(error.strerror) from error
    return True
