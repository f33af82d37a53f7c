"""What stages record, on disk until MLflow has it: no stage waits for a server, and no server's fault loses a run.

Each run has a folder, its parcel. `events.jsonl` has one event a line, in the order in which they happened. `files` has
the files that belong to them. `sent` is the number of events that the store has. The run's process holds a lock on
`alive`, which the kernel releases however the process ends. A parcel whose run has ended is removed once it is sent.
"""

import json
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from digitsum.errors import InputError, one_line
from digitsum.files import write_text
from digitsum.locks import is_locked, locked
from digitsum.places import STATE, repository_root

OUTBOX = STATE / "outbox"
ASIDE, REASON = "aside-", "reason"  # the prefix of parcels that cannot be sent, and a file in them
FIELDS: dict[str, dict[str, type]] = {  # of each kind of event, besides its time
    "start": {"store": str, "name": str, "tags": dict},
    "params": {"values": dict},
    "metrics": {"values": dict, "step": int},
    "tags": {"values": dict},
    "data": {"path": str, "digest": str, "context": str},
    "file": {"name": str},
    "end": {"status": str},
}


def outbox() -> Path:
    return repository_root() / OUTBOX


SAME_START = 5.0  # seconds by which the start of one process may seem to move, as when the clock is set


@dataclass(frozen=True)
class Process:
    """A process, and not a later one with the same number."""

    host: str
    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def of(cls, process: psutil.Process) -> "Process":
        return cls(socket.gethostname(), process.pid, process.create_time())

    @property
    def alive(self) -> bool:
        """Whether it runs, on this machine."""
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
        with suppress(psutil.Error):  # gone meanwhile, or another user's
            if _is_dvc(parent.cmdline()):
                found = Process.of(parent)
    return found


def _is_dvc(words: list[str]) -> bool:
    """Whether a command line runs dvc, by itself or through Python. An editor of a folder named dvc does not."""
    names = [Path(word).name for word in words[:4]]
    return names[:1] == ["dvc"] or ("dvc" in names and names[0].startswith("python"))


@dataclass(frozen=True)
class Parcel:
    folder: Path

    @classmethod
    @contextmanager
    def begin(cls, store: str, name: str, tags: Mapping[str, str]) -> "Iterator[Parcel]":
        """The parcel of a new run, which lasts as long as the block.

        Raises:
            OSError: if the outbox cannot be written.
            InputError: if nothing there can be locked.
        """
        parcel = cls(outbox() / f"{time.time_ns()}-{uuid.uuid4().hex[:12]}")
        with ExitStack() as life:
            try:
                while not life.enter_context(locked(parcel.folder / "alive")).still_there():
                    pass  # `remove_if_unbegun` was quicker
                (parcel.folder / "files").mkdir()
                above = driver()
                parcel.add("start", store=store, name=name, tags=dict(tags), driver=above and asdict(above))
            except BaseException:
                shutil.rmtree(parcel.folder, ignore_errors=True)
                raise
            yield parcel

    @property
    def alive(self) -> bool:
        """Whether its run goes on, in any process, container or machine that shares this folder."""
        with suppress(FileNotFoundError):
            return is_locked(self.folder / "alive")
        return False

    def add(self, kind: str, **content: Any) -> None:
        """Append an event. Readers skip a line that is cut off, as when the process dies while it writes."""
        line = json.dumps({"kind": kind, "time": int(time.time() * 1000), **content})
        with (self.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")

    def add_file(self, path: Path) -> None:
        """Add a copy of a file or folder, as it is now."""
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
        """All whole lines. A run whose process is gone without an end gets one here, KILLED.

        A parcel that holds anything else is set aside.
        """
        try:
            alive = self.alive
            events = list(_whole((self.folder / "events.jsonl").read_text()))
        except FileNotFoundError:  # begun this moment, or sent and removed
            return []
        except (OSError, ValueError) as error:
            self.set_aside(f"events.jsonl: {one_line(error)}")
            return []
        if events and events[0]["kind"] != "start":  # the first line was cut off, so the run is unknown
            return []
        if not alive and events and events[-1]["kind"] != "end":
            events.append({"kind": "end", "time": events[-1]["time"], "status": "KILLED"})
        return events

    @property
    def store(self) -> str | None:
        """The address of its store; None if it has just begun, is already gone, or was cut off as it began."""
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

    def set_aside(self, reason: str) -> None:
        set_aside(self.folder, reason)

    def remove(self) -> None:
        """Rename it first, since a half-removed parcel would look like a new one."""
        gone = self.folder.with_name(f".{self.folder.name}")
        self.folder.rename(gone)
        shutil.rmtree(gone)

    def remove_if_unbegun(self) -> None:
        """Remove it if its process died before it had written the first event."""
        with suppress(OSError, InputError), locked(self.folder / "alive", wait=False) as lock:
            if lock.held and not self.events():
                self.remove()


def _whole(text: str) -> Iterator[dict[str, Any]]:
    """The events of whole lines; a full disk may have cut one off in the middle of the file.

    Raises:
        ValueError: if a line is JSON and no event.
    """
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not _is_event(event):
            raise ValueError(f"line {number} is not an event")
        yield event


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict) or event.get("kind") not in FIELDS or not _fits(event.get("time"), int):
        return False
    if not all(_fits(event.get(name), kind) for name, kind in FIELDS[event["kind"]].items()):
        return False
    values = (event.get("values") or event.get("tags") or {}).values()
    if event["kind"] == "metrics":
        return all(_fits(value, int) or isinstance(value, float) for value in values)
    return all(isinstance(value, str) for value in values) and Path(event.get("name", "a")).name != ""


def _fits(value: Any, kind: type) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, kind)


def set_aside(path: Path, reason: str) -> None:
    """Take a parcel or a file out of the way of the others, into the outbox. `newly_aside` reports it once."""
    place = outbox() / f"{ASIDE}{path.name}"
    with suppress(OSError):  # another process does the same
        if path.is_dir():
            path.rename(place)
        else:
            place.mkdir(parents=True)
            path.rename(place / path.name)
        (place / REASON).write_text(reason)


def newly_aside() -> list[str]:
    """What was set aside, with the reasons; each is returned by the first call alone."""
    found = []
    for reason in sorted(outbox().glob(f"{ASIDE}*/{REASON}")):
        with suppress(OSError, ValueError):
            found.append(f"{OUTBOX / reason.parent.name}: {reason.read_text()}")
            reason.rename(reason.with_name("reported"))
    return found


def clear_removed() -> None:
    """Remove what senders that died have left of parcels that they removed; no other may be at work."""
    for gone in outbox().glob(".*"):
        shutil.rmtree(gone, ignore_errors=True)


def parcels() -> list[Parcel]:
    """All parcels, oldest first."""
    folder = outbox()
    if not folder.exists():
        return []
    return [Parcel(path) for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0].isdigit()]
