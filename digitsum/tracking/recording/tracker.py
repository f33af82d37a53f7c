"""One MLflow run for each run of a stage, or nothing at all: the stages can't tell which."""

import getpass
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, reduce
from importlib.metadata import distributions
from operator import getitem
from pathlib import Path
from textwrap import shorten
from typing import Any, Protocol

from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.places import repository_root
from digitsum.tracking.recording.outbox import Parcel
from digitsum.tracking.results.checksums import checksum, digest, outs_of
from digitsum.tracking.rows.store import switched_off, tracking_uri


class Tracker(Protocol):
    def params(self, section: str, values: Mapping[str, Any]) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def data(self, path: Path, context: str) -> None:
        """A data set that the stage read, with the checksum that DVC has of it."""

    def file(self, path: Path) -> None:
        """A file or a folder of files that the stage wrote."""


class NullTracker:
    def params(self, section: str, values: Mapping[str, Any]) -> None:
        pass

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        pass

    def tags(self, values: Mapping[str, str]) -> None:
        pass

    def data(self, path: Path, context: str) -> None:
        pass

    def file(self, path: Path) -> None:
        pass


class OutboxTracker:
    """Leaves everything in the outbox, for a sender that runs beside the stages.

    Where that cannot be written any more, the stage is told once and goes on.
    """

    def __init__(self, parcel: Parcel):
        self._parcel, self._lost = parcel, False

    def params(self, section: str, values: Mapping[str, Any]) -> None:
        self._leave("params", values=flat({section: values}))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self._leave("metrics", values=dict(values), step=step)

    def tags(self, values: Mapping[str, str]) -> None:
        self._leave("tags", values=dict(values))

    def data(self, path: Path, context: str) -> None:
        if path.exists():  # else the stage says what is missing
            self._leave("data", path=str(path), digest=checksum(path), context=context)

    def file(self, path: Path) -> None:
        with self._kept():
            self._parcel.add_file(path)

    def text(self, name: str, text: str) -> None:
        with self._kept():
            self._parcel.add_text(name, text)

    def end(self, status: str) -> None:
        self._leave("end", status=status)

    def _leave(self, kind: str, **content: Any) -> None:
        with self._kept():
            self._parcel.add(kind, **content)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError) as error:
            if not self._lost:
                print(f"warning: the rest of this run is not recorded ({error})", file=sys.stderr)
            self._lost = True


@contextmanager
def tracked(stage: str, wanted: bool = True) -> Iterator[Tracker]:
    """The tracker of one run of a stage; the run ends FINISHED, FAILED or KILLED as the block does."""
    if not wanted or switched_off():
        yield NullTracker()
        return
    with Parcel.begin(tracking_uri(), stage, _origin(stage)) as parcel:
        _start_sender()
        tracker, status = OutboxTracker(parcel), "KILLED"
        try:
            tracker.tags(environment())
            tracker.text("packages.txt", "".join(f"{package}\n" for package in packages()))
            yield tracker
            tracker.tags(identity(stage))
            status = "FINISHED"
        except Exception as error:
            status = "FAILED"
            tracker.tags({"digitsum.error": shorten(str(error) or type(error).__name__, 500)})
            raise
        finally:
            tracker.end(status)


def _start_sender() -> None:
    """Of the repository itself, in which DVC's temporary copies send as well; it outlives the stage."""
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = [sys.executable, "-m", "digitsum", "sync", "--watch"]
    subprocess.Popen(words, cwd=repository_root(), start_new_session=True, **silent)  # type: ignore[call-overload]


def identity(stage: str) -> dict[str, str]:
    """By which a result finds the runs of its stages: what was made, and from what, as dvc.lock would have it."""
    entry, params = load_yaml(Path("dvc.yaml").read_text())["stages"][stage], load_yaml(Path("params.yaml").read_text())
    outs = {out: checksum(Path(out)) for out in outs_of(entry)}
    whole = {
        "cmd": entry["cmd"],
        "params": {key: reduce(getitem, key.split("."), params) for key in entry.get("params", [])},
        "deps": {path: checksum(Path(path)) for path in entry.get("deps", [])},
        "outs": outs,
    }
    return {"digitsum.outs": digest(outs), "digitsum.made": digest(whole)}


def environment() -> dict[str, str]:
    """What else a result may depend on."""
    return {
        "digitsum.python": platform.python_version(),
        "digitsum.platform": f"{platform.system()} {platform.machine()} {_processor()}",
        "digitsum.packages": digest(packages()),
    }


@cache
def packages() -> list[str]:
    """All that is installed, with versions."""
    return sorted({f"{found.name}=={found.version}".lower() for found in distributions()})


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _origin(stage: str) -> dict[str, str]:
    tags = {"mlflow.source.name": f"stages/{stage}.py", "mlflow.source.type": "LOCAL", "digitsum.stage": stage}
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        tags["mlflow.user"] = getpass.getuser()
    if commit := _git("rev-parse", "HEAD"):
        made = (":!dvc.lock", ":!data", ":!models", ":!reports")  # as the pipeline runs
        changed = _git("status", "--porcelain", "--", ".", *made)
        tags |= {"mlflow.source.git.commit": commit, "digitsum.dirty": str(bool(changed)).lower()}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["digitsum.experiment"] = experiment
    return tags


def _git(*words: str) -> str:
    with suppress(OSError):  # no git
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()
    return ""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as one, with keys such as train.augment.rotate."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found
