"""What stages have to tell MLflow, on disk until it is told: no stage waits for a server, and no server loses a run.

Each run has a folder of its own, its parcel: `events.jsonl`, one event a line in the order they happened, the `files`
that go with them, `sent`, how many events the store has, and `alive`, which its process holds a lock on: the kernel
lets go of it however the process ends. Once its run has ended and all of it is sent, the parcel goes.
"""

import fcntl
import json
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from digitsum.files import write_text
from digitsum.places import STATE, repository_root

OUTBOX = STATE / "outbox"


def outbox() -> Path:
    return repository_root() / OUTBOX


SAME_START = 5.0  # seconds that the start of one process may seem to move, as when the clock is set


@dataclass(frozen=True)
class Process:
    """What tells a process from a later one with the same number."""

    host: str
    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def of(cls, process: psutil.Process) -> "Process":
        return cls(socket.gethostname(), process.pid, process.create_time())

    @property
    def alive(self) -> bool:
        """On this machine."""
        if self.host != socket.gethostname():
            return False
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START
            return same and process.status() != psutil.STATUS_ZOMBIE
        return False


def driver() -> Process | None:
    """The outermost dvc that this process runs under."""
    found = None
    for parent in psutil.Process().parents():
        with suppress(psutil.Error):
            if _is_dvc(parent.cmdline()):
                found = Process.of(parent)
    return found


def _is_dvc(words: list[str]) -> bool:
    """By itself, or as a script or module that Python runs; not an editor of a folder with its name."""
    names = [Path(word).name for word in words[:4]]
    return names[:1] == ["dvc"] or ("dvc" in names and names[0].startswith("python"))


@dataclass(frozen=True)
class Parcel:
    folder: Path

    @classmethod
    @contextmanager
    def begin(cls, store: str, name: str, tags: Mapping[str, str]) -> "Iterator[Parcel]":
        """Of a new run, which lasts as long as the block."""
        parcel = cls(outbox() / f"{time.time_ns()}-{uuid.uuid4().hex[:12]}")
        (parcel.folder / "files").mkdir(parents=True)
        above = driver()
        with (parcel.folder / "alive").open("w") as life:
            fcntl.flock(life, fcntl.LOCK_EX)
            parcel.add("start", store=store, name=name, tags=dict(tags), driver=above and asdict(above))
            yield parcel

    @property
    def alive(self) -> bool:
        """Whether its run goes on, in whatever process, container or machine that shares this folder."""
        with suppress(FileNotFoundError), (self.folder / "alive").open() as life:
            try:
                fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def add(self, kind: str, **content: Any) -> None:
        """Appends an event. A line that is cut off, as when the process dies in it, is not read."""
        line = json.dumps({"kind": kind, "time": int(time.time() * 1000), **content})
        with (self.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")

    def add_file(self, path: Path) -> None:
        """A copy of a file or folder, as it is now."""
        copy = self.folder / "files" / path.name
        if path.is_dir():
            shutil.copytree(path, copy, dirs_exist_ok=True)
        else:
            shutil.copy(path, copy)
        self.add("file", name=path.name)

    def add_text(self, name: str, text: str) -> None:
        write_text(self.folder / "files" / name, text)
        self.add("file", name=name)

    def events(self) -> list[dict[str, Any]]:
        """All whole lines. A run whose process is gone without a word gets the end that it could not write."""
        with suppress(FileNotFoundError):  # begun this moment, or sent and removed
            alive = self.alive
            events = list(_whole((self.folder / "events.jsonl").read_text()))
            if events and events[0]["kind"] != "start":  # that line was cut, so nobody knows what run this was
                return []
            if not alive and events and events[-1]["kind"] != "end":
                events.append({"kind": "end", "time": events[-1]["time"], "status": "KILLED"})
            return events
        return []

    @property
    def store(self) -> str | None:
        """None if it has just begun, is already gone, or was cut off as it began."""
        events = self.events()
        return events[0]["store"] if events else None

    @property
    def driver(self) -> Process | None:
        events = self.events()
        above = events[0]["driver"] if events else None
        return Process(**above) if above else None

    @property
    def sent(self) -> int:
        with suppress(FileNotFoundError, ValueError):
            return int((self.folder / "sent").read_text())
        return 0

    def mark_sent(self, count: int) -> None:
        write_text(self.folder / "sent", str(count))

    def remove(self) -> None:
        """Under another name first: half a parcel would be taken for a new one."""
        gone = self.folder.with_name(f".{self.folder.name}")
        self.folder.rename(gone)
        shutil.rmtree(gone)


def _whole(text: str) -> Iterator[dict[str, Any]]:
    """The events of lines that are whole; a full disk may have cut one in the middle of the file."""
    for line in text.splitlines(keepends=True):
        with suppress(json.JSONDecodeError):
            if line.endswith("\n"):
                yield json.loads(line)


def parcels() -> list[Parcel]:
    """Oldest first."""
    folder = outbox()
    if not folder.exists():
        return []
    return [Parcel(path) for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0].isdigit()]


@contextmanager
def alone(name: str, wait: bool = True) -> Iterator[bool]:
    """Holds the lock `name` for the block, once no other process does; without waiting, says whether it was free."""
    outbox().mkdir(parents=True, exist_ok=True)
    with (outbox() / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
