"""What a stage is given, which must not change while it runs, and its outs, which one process at a time writes.

DVC records params and deps as they are when a stage ends. If one was edited meanwhile, the record names what the stage
never used, and DVC takes the outs for up to date.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from digitsum.checksums import checksum
from digitsum.errors import InputError
from digitsum.files import clear_leftovers, remove
from digitsum.formats import load_yaml
from digitsum.locks import locked
from digitsum.pipeline import UNREADABLE, outs_of, read_stages
from digitsum.places import LOCK, PARAMS, STATE
from digitsum.stage import require_parent

LARGE = 1_000_000  # bytes; larger files are compared by their size and the time of their last change


@dataclass(frozen=True)
class Inputs:
    """The params, and a mark of each file, that a stage was given at one moment."""

    params: Mapping[str, Any]
    files: Mapping[str, str]

    @classmethod
    def of(cls, stage: Mapping[str, Any]) -> "Inputs":
        """
        Args:
            stage: an entry of dvc.yaml.
        """
        return cls(_values(stage.get("params") or []), dict(_marks(stage.get("deps") or [])))

    def changed(self, now: "Inputs") -> str:
        """What differs now; empty if nothing does."""
        for name in sorted(self.files.keys() | now.files.keys()):
            if self.files.get(name) != now.files.get(name):
                return name
        return next((f"{PARAMS} ({key})" for key, value in self.params.items() if now.params.get(key) != value), "")


_at_start: dict[str, Inputs] = {}


def remember(name: str) -> None:
    """Note what the stage of this process is given, before it imports any of its code."""
    with suppress(InputError, KeyError):  # the stage reports them
        _at_start[name] = Inputs.of(read_stages()[name])


@contextmanager
def held(name: str) -> Iterator[None]:
    """Let a stage write its outs within the block, as the only process, from what it was given when it started.

    What a killed process left half-written beside the outs is cleared.

    Raises:
        InputError: if params, code or data changed since, or the lock was lost. Outs that the block wrote are removed.
    """
    stage = read_stages()[name]
    outs = [Path(out) for out in outs_of(stage)]
    before = _at_start.pop(name, None) or Inputs.of(stage)
    lock = STATE / "locks" / f"stage-{name}"
    with locked(lock, anywhere=True) as own:
        require_parent()
        _require_same(before, stage, name)
        _require_undamaged(stage)
        for out in outs:
            clear_leftovers(out)
        yield
        if not own.still_there():
            raise InputError(f"{lock}: removed while {name} ran, so another run may write its outputs; run it again")
        try:
            _require_same(before, stage, name)
        except InputError:
            for out in outs:
                remove(out)
            raise


def _require_undamaged(stage: Mapping[str, Any]) -> None:
    """Compare what other stages made with their checksums in dvc.lock, since DVC trusts the files of its cache.

    A stage that is run by hand takes what is there.

    Raises:
        InputError: if an output of another stage is not the one that dvc.lock names.
    """
    if "DVC_STAGE" not in os.environ:
        return
    try:
        stages = load_yaml(Path(LOCK).read_text(encoding="utf-8"))["stages"].values()
        made = {out["path"]: out["md5"] for one in stages for out in one.get("outs", [])}
    except UNREADABLE:
        return  # there is none yet
    for path, md5 in made.items():
        used = any(dep == path or dep.startswith(f"{path}/") for dep in stage.get("deps") or [])
        if used and Path(path).exists() and checksum(Path(path)) != md5:
            raise InputError(
                f"{path}: not what {LOCK} names, as if DVC's cache were damaged; python -m digitsum mend --cache "
                "removes what is damaged, and dvc repro then makes it again"
            )


def _require_same(before: Inputs, stage: Mapping[str, Any], name: str) -> None:
    if changed := before.changed(Inputs.of(stage)):
        raise InputError(f"{changed}: changed while {name} ran, so its outputs would not be of it; run dvc repro again")


def params() -> Any:
    """What params.yaml holds now, parsed but not validated; None where it cannot be read, which the stage reports."""
    try:
        return load_yaml(Path(PARAMS).read_text(encoding="utf-8"))
    except UNREADABLE:
        return None


def _values(keys: list[str]) -> dict[str, Any]:
    given = params()
    try:
        return {key: reduce(getitem, key.split("."), given) for key in keys}
    except (KeyError, TypeError, AttributeError):
        return {}


def _marks(paths: list[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        for folder, _, names in os.walk(path) if Path(path).is_dir() else [("", [], [path])]:
            for name in names:
                file = os.path.join(folder, name)  # noqa: PTH118 (a tenth of the time of pathlib)
                if "__pycache__" not in folder:
                    yield file, _mark(file)


def _mark(file: str) -> str:
    try:
        state = os.stat(file)  # noqa: PTH116
        if state.st_size > LARGE:
            return f"{state.st_size} {state.st_mtime_ns}"
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
