"""Record each run of a stage, or nothing. A stage does not notice the difference, and recording cannot end it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any, Protocol

import psutil

from digitsum.errors import InputError, one_line
from digitsum.pipeline import require_stage
from digitsum.places import repository_root
from digitsum.tracking.recording.environment import environment, origin, packages
from digitsum.tracking.recording.machine import sampled
from digitsum.tracking.recording.outbox import Parcel
from digitsum.tracking.results.checksums import checksum, digest
from digitsum.tracking.results.data import Data
from digitsum.tracking.results.dvc_files import current_essence, flat
from digitsum.tracking.rows.settings import switched_off, tracking_uri
from digitsum.tracking.rows.tags import MADE, OUTS


class Tracker(Protocol):
    def params(self, section: str, values: Mapping[str, Any]) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def data(self, path: Path, context: str) -> None:
        """Record a data set that the stage read, with the checksum that DVC gives it."""

    def file(self, path: Path) -> None:
        """Record a file or folder that the stage wrote."""


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
    """Write everything to the outbox, which a process beside the stage sends to MLflow.

    Once the outbox cannot be written, the tracker warns once and records nothing more.
    """

    def __init__(self, parcel: Parcel):
        self._parcel, self._lost = parcel, False

    def params(self, section: str, values: Mapping[str, Any]) -> None:
        self._add("params", values=flat({section: values}))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self._add("metrics", values=dict(values), step=step)

    def tags(self, values: Mapping[str, str]) -> None:
        self._add("tags", values=dict(values))

    def data(self, path: Path, context: str) -> None:
        if path.exists():  # otherwise the stage reports what is missing
            data = Data.at(path, checksum(path), context)
            self._add(
                "data", path=data.path, digest=data.checksum, context=context, schema=data.schema, profile=data.profile
            )

    def file(self, path: Path) -> None:
        with self._kept():
            self._parcel.add_file(path)

    def environment(self) -> None:
        with self._kept():
            self._parcel.add("tags", values=environment())
            self._parcel.add_text("packages.txt", "".join(f"{package}\n" for package in packages()))

    def identity(self, stage: str) -> None:
        """Record what the stage was given and made, as dvc.lock will; a result finds the runs of its stages by it."""
        with self._kept():
            made = current_essence(stage)
            self._parcel.add("tags", values={OUTS: digest(made["outs"]), MADE: digest(made)})

    def end(self, status: str) -> None:
        self._add("end", status=status)

    def _add(self, kind: str, **content: Any) -> None:
        with self._kept():
            self._parcel.add(kind, **content)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError, KeyError) as error:
            if not self._lost:
                _warn(f"the rest of this run is not recorded ({one_line(error)})")
            self._lost = True


@contextmanager
def tracked(stage: str, wanted: bool = True) -> Iterator[Tracker]:
    """The tracker of one run of a stage. The run ends as FINISHED, FAILED or KILLED, as the block does.

    Raises:
        InputError: if dvc.yaml has no such stage; before the block runs, whether or not anything is recorded.
    """
    require_stage(stage)
    with ExitStack() as stack:
        parcel = _begun(stage, stack) if wanted and not switched_off() else None
        if parcel is None:
            yield NullTracker()
            return
        tracker, status = OutboxTracker(parcel), "KILLED"
        try:
            tracker.environment()
            with sampled(tracker.metrics):
                yield tracker
            tracker.identity(stage)
            status = "FINISHED"
        except Exception as error:
            status = "FAILED"
            tracker.tags({"digitsum.error": shorten(str(error) or type(error).__name__, 500)})
            raise
        finally:
            tracker.end(status)


def _begun(stage: str, stack: ExitStack) -> Parcel | None:
    """A new run in the outbox, on its way to MLflow; None if the outbox cannot be used."""
    try:
        parcel = stack.enter_context(Parcel.begin(tracking_uri(), stage, origin(stage)))
    except (OSError, psutil.Error, InputError) as error:
        _warn(f"this run is not recorded ({one_line(error)})")
        return None
    try:
        _start_sender()
    except OSError as error:
        _warn(f"no process sends this run to MLflow ({one_line(error)}); python -m digitsum sync does")
    return parcel


def _start_sender() -> None:
    """Start a process that outlives the stage. DVC's temporary copies of the repository start the repository's own."""
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = [sys.executable, "-m", "digitsum", "sync", "--watch"]
    subprocess.Popen(words, cwd=repository_root(), start_new_session=True, **silent)  # type: ignore[call-overload]


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
