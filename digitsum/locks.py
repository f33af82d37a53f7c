"""Locks between processes. The kernel releases a lock when its process ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from digitsum.errors import InputError
from digitsum.places import STATE, repository_root

LOCKS = STATE / "locks"


@contextmanager
def alone(name: str, wait: bool = True) -> Iterator[bool]:
    """Hold this repository's lock `name` while the block runs.

    Yields True once the lock is held. With `wait` False, it yields False if another process holds the lock.

    Raises:
        InputError: if the file system has no locks, or the lock's file cannot be written.
    """
    path = repository_root() / LOCKS / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); it must be a file you may write to") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); keep the repository on a file system that has flock"
            ) from error
        yield held
