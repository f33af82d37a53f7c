"""What stages have to tell MLflow, on disk until it is told: no stage waits for a server, and no server loses a run.

Each run has a folder of its own, its parcel: `events.jsonl`, one event a line in the order they happened, the `files`
that go with them, and `sent`, how many events the store has. Once its run has ended and all of it is sent, it goes.
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

from digitsum.files import repository_root, write_text

OUTBOX = Path(".digitsum/outbox")


def outbox() -> Path:
    return repository_root() / OUTBOX


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
        """Of other machines nothing is known, so they are thought to live."""
        if self.host != socket.gethostname():
            return True
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE)
        return False


def driver() -> Process | None:
    """The outermost dvc that this process runs under."""
    found = None
    for parent in psutil.Process().parents():
        with suppress(psutil.Error):
            if any(Path(word).name == "dvc" for word in parent.cmdline()[:4]):
                found = Process.of(parent)
    return found


@dataclass(frozen=True)
class Parcel:
    folder: Path

    @classmethod
    def begin(cls, store: str, name: str, tags: Mapping[str, str]) -> "Parcel":
        """Of a new run, which lasts no longer than this process."""
        parcel = cls(outbox() / f"{time.time_ns()}-{uuid.uuid4().hex[:12]}")
        (parcel.folder / "files").mkdir(parents=True)
        above = driver()
        parcel.add(
            "start",
            store=store,
            name=name,
            tags=dict(tags),
            process=asdict(Process.of(psutil.Process())),
            driver=above and asdict(above),
        )
        return parcel

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
            text = (self.folder / "events.jsonl").read_text()
            events = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
            if events and events[-1]["kind"] != "end" and not Process(**events[0]["process"]).alive:
                again = (self.folder / "events.jsonl").read_text()
                if again == text:  # else it ended between the two looks
                    events.append({"kind": "end", "time": events[-1]["time"], "status": "KILLED"})
            return events
        return []

    @property
    def store(self) -> str | None:
        """None if it has just begun or is already gone."""
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


def parcels() -> list[Parcel]:
    """Oldest first."""
    folder = outbox()
    if not folder.exists():
        return []
    return [Parcel(path) for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0].isdigit()]


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Waits until no other process holds the lock `name`, and holds it for the block."""
    outbox().mkdir(parents=True, exist_ok=True)
    with (outbox() / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
