"""What a killed or cut-off dvc leaves behind, and its removal, so that the next dvc runs.

DVC notes in `.dvc/tmp/rwlock` which process uses which path. A full disk cuts that file, and then every command fails.
The entry of a killed process blocks its path as soon as another process has its number. A dvc that is killed while it
writes `dvc.lock` cuts that as well.
"""

import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.files import remove
from digitsum.pipeline import UNREADABLE
from digitsum.places import LOCK as RESULTS
from digitsum.tracking.results.cache import cache_folder
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.dvc_files import essence
from digitsum.tracking.results.git import blobs

FOLDER = Path(".dvc/tmp")
RWLOCK, GUARD = "rwlock", "rwlock.lock"
LOCK = "lock"  # held by commands, but not while they run a stage
CACHE = Path(".dvc/cache")
WORKSPACE = ("data", "models", "reports")
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
HOURS = 24  # after which a half-written file of the cache is nobody's, even if a dvc runs


def clear() -> list[str]:
    """Clear what dead processes left of DVC in this project; a line for each thing that was cleared."""
    if not FOLDER.is_dir():
        return []
    with ExitStack() as held:
        if not _lock(FOLDER / GUARD, held):
            return []  # a dvc is at work on the file
        before, entries = _entries()
        alive = {mode: _alive(mode, paths) for mode, paths in entries.items()}
        if alive != before:
            _replace(FOLDER / RWLOCK, json.dumps({mode: paths for mode, paths in alive.items() if paths}))
        idle = not any(alive.values()) and _lock(FOLDER / LOCK, held)
        cut = idle and _lock_is_cut()
        if cut:
            _restore_lock()
        files = _half_written(idle)
    for file in files:
        with suppress(OSError):
            file.unlink()
    cleared = [f"{FOLDER / RWLOCK}: cleared of what a dvc left that was killed, or whose disk was full"]
    cleared = cleared if alive != before else []
    if cut:
        cleared.append(f"{RESULTS}: cut off as a dvc was killed; back to that of the last commit")
    return cleared + ([f"{CACHE}: {len(files)} half-written files removed"] if files else [])


def _lock_is_cut() -> bool:
    """Whether dvc.lock is what no dvc reads; the marks of a merge conflict are a user's to mend."""
    try:
        text = Path(RESULTS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    try:
        essence(text)
    except UNREADABLE:
        return "<<<<<<< " not in text
    return not text.endswith("\n")


def _restore_lock() -> None:
    """The one of the last commit, or none. DVC then restores from its cache what ran since."""
    text = b""
    with suppress(InputError, subprocess.CalledProcessError):
        (text,) = blobs("HEAD", [RESULTS])
    if text:
        _replace(Path(RESULTS), text.decode())
    else:
        Path(RESULTS).unlink()


def remove_damaged() -> list[str]:
    """Remove files of DVC's cache that differ from their checksums, and outputs in the workspace that hold them.

    Where a remote has them, dvc pull brings them back; elsewhere, dvc repro runs their stages again.
    """
    cache = cache_folder(Path.cwd()) or CACHE
    files = sorted((cache / "files" / "md5").glob("[0-9a-f][0-9a-f]/*"))
    damaged = {file.parent.name + file.name: file for file in files if not _is_sound(file)}
    lines = []
    for path, md5 in _outs().items():
        if md5 in damaged or _damaged_within(cache, md5, damaged.keys()):
            remove(Path(path))
            lines.append(f"{path}: removed from the workspace, since DVC's cache has it damaged")
    for md5, file in damaged.items():
        file.unlink()
        lines.append(f"{file}: removed, since its MD5 is not {md5}")
    return lines


def _is_sound(file: Path) -> bool:
    return (
        not file.is_file()
        or not MD5.fullmatch(file.parent.name + file.name)
        or (checksum(file) == (file.parent.name + file.name).removesuffix(".dir"))
    )


def _outs() -> dict[str, str]:
    try:
        stages = essence(Path(RESULTS).read_text(encoding="utf-8")).values()
    except UNREADABLE:
        return {}
    return {path: md5 for stage in stages for path, md5 in stage["outs"].items()}


def _damaged_within(cache: Path, md5: str, damaged: Collection[str]) -> bool:
    """Whether a folder lists a damaged file."""
    listing = cache / "files" / "md5" / md5[:2] / md5[2:]
    if not md5.endswith(".dir") or not listing.is_file():
        return False
    text = listing.read_text(errors="replace")
    return any(f'"{own}"' in text for own in damaged)


def _lock(path: Path, held: ExitStack) -> bool:
    """As DVC does it, until the end of the block; False if a dvc holds the lock."""
    file = held.enter_context(path.open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system; DVC cannot work on it either, except by hard links
        return False
    return True


def _entries() -> tuple[Any, dict[str, dict[str, Any]]]:
    """The content of the file, and the same in DVC's form, which is empty if the file is damaged."""
    try:
        found = json.loads((FOLDER / RWLOCK).read_text())
        return found, {mode: dict(paths) for mode, paths in found.items()}
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None, {}


def _alive(mode: str, paths: dict[str, Any]) -> dict[str, Any]:
    if mode == "write":
        return {path: one for path, one in paths.items() if _runs_dvc(one)}
    left = {path: [one for one in many if _runs_dvc(one)] for path, many in paths.items() if isinstance(many, list)}
    return {path: many for path, many in left.items() if many}


def _runs_dvc(entry: Any) -> bool:
    """Whether the process of an entry still runs a Python or a dvc, and is not a later one with its number."""
    if not isinstance(entry, dict) or not isinstance(entry.get("pid"), int):
        return False
    import psutil

    try:
        process = psutil.Process(entry["pid"])
        words = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > _written_at():
            return False
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # another user's
        return True
    return any("dvc" in word or "python" in Path(word).name for word in words[:4])


def _written_at() -> float:
    return (FOLDER / RWLOCK).stat().st_mtime


def _half_written(idle: bool) -> list[Path]:
    """DVC's temporary files in this project's cache and beside its outputs; if a dvc may use them, the old ones."""
    places = [*CACHE.glob("files/md5/*/*.tmp"), *CACHE.glob("runs/*/*/*.tmp")]
    places += [file for folder in WORKSPACE for file in Path(folder).glob("*.tmp")]
    files = [file for file in places if re.search(r"\.[\w-]{22}\.tmp$", file.name)]
    if idle and files and not _dvc_elsewhere():
        return files
    return [file for file in files if time.time() - file.stat().st_mtime > HOURS * 3600]


def _dvc_elsewhere() -> bool:
    """Whether a dvc runs on this machine: experiments in temporary folders write into this project's cache."""
    import psutil

    found = psutil.process_iter(["cmdline"])
    return any(Path(word).name == "dvc" for process in found for word in (process.info["cmdline"] or [])[:4])


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
