"""Remember what a slow look at the project found, for as long as nothing changes that it reads."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from digitsum.errors import InputError
from digitsum.files import write_json
from digitsum.formats import read_json
from digitsum.locks import LOCKS, is_locked
from digitsum.places import LOCK, PIPELINE, STATE, repository_root
from digitsum.tracking.recording.outbox import ASIDE
from digitsum.tracking.results.checksums import digest
from digitsum.tracking.results.git import git
from digitsum.tracking.rows.settings import embedded_store, tracking_uri

REMEMBERED = STATE / "unchanged.json"
WAITING = ("outbox", "results")  # folders of STATE, which hold what MLflow does not have yet
FOLDERS = ("data", "models", "reports", "digitsum")
WATCHING = "watching"  # the lock of the watcher that sends
SECONDS_FOR_WATCHER = 5.0
RACY = 50_000_000  # nanoseconds: a file as young as this may change again without a change of its times


def unchanged(look: Callable[[], list[str]]) -> list[str]:
    """What `look` returned when it last changed nothing; or what it returns now, if anything has changed since."""
    before = state()
    with suppress(InputError):
        if before is not None and (kept := read_json(repository_root() / REMEMBERED)).get("state") == before:
            return list(kept["found"])
    shown = found = look()
    _wait_for_watcher()
    time.sleep(2 * RACY / 1e9)
    if (after := state()) != before:  # look has brought MLflow up to date, or something else has changed
        before, found = after, look()
        after = state()
    if after is not None and after == before:
        write_json(repository_root() / REMEMBERED, {"state": after, "found": found})
    return shown


def _wait_for_watcher() -> None:
    """Wait for the watcher that the last run has started, for a while, since it writes to MLflow's database as well."""
    lock, until = repository_root() / LOCKS / WATCHING, time.monotonic() + SECONDS_FOR_WATCHER
    with suppress(FileNotFoundError):
        while is_locked(lock) and time.monotonic() < until:
            time.sleep(0.1)


def state() -> str | None:
    """The same as long as nobody writes code, data, results, git's refs or MLflow's database.

    None if that cannot be seen, as with a server, or if stages have left something that MLflow does not have yet.
    """
    database, root = embedded_store(tracking_uri()), repository_root()
    if database is None or _something_waits(root / STATE):
        return None
    paths = [database, Path(LOCK), Path(PIPELINE), *(path for name in FOLDERS for path in _files(Path(name)))]
    try:
        refs = git("show-ref", "--head")
        found = [(str(path), path.stat()) for path in sorted(paths)]
    except (OSError, InputError, subprocess.CalledProcessError):  # a file that is gone, no repository, no commit
        return None
    if max(max(each.st_mtime_ns, each.st_ctime_ns) for _, each in found) > time.time_ns() - RACY:
        return None
    signatures = [(path, each.st_size, each.st_ino, each.st_mtime_ns, each.st_ctime_ns) for path, each in found]
    return digest([refs, tracking_uri(), signatures])


def _something_waits(folder: Path) -> bool:
    """Whether a folder in WAITING holds anything besides what was set aside for good."""
    there = [folder / name for name in WAITING if (folder / name).exists()]
    return any(not file.name.startswith(ASIDE) for place in there for file in place.iterdir())


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(where, name) for name in names)
