"""Results that the workspace, git's commits and DVC's experiments hold."""

import hashlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from digitsum.errors import InputError, one_line
from digitsum.files import write_json
from digitsum.formats import load_yaml, read_json
from digitsum.pipeline import outs_of, read_stages, stages_of
from digitsum.places import LOCK, PARAMS, PIPELINE, STATE, repository_root
from digitsum.recipes import merged
from digitsum.tracking.results import patches
from digitsum.tracking.results.checksums import checksum, digest
from digitsum.tracking.results.dvc_files import is_within, metrics_files
from digitsum.tracking.results.git import blobs, commit_of, git, head_commit
from digitsum.tracking.results.result import Occurrence, Result, recipe_key

SEEN = STATE / "results"  # results of this workspace that have no row yet
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
    *(yaml.YAMLError, subprocess.CalledProcessError),
)


def in_workspace() -> Occurrence | None:
    """The result that dvc.lock holds, whether or not code and params have changed since."""
    head = head_commit()
    with suppress(*UNREADABLE):
        lock, pipeline = Path(LOCK).read_text(), Path(PIPELINE).read_text()
        figures = {path: Path(path).read_text() for path in metrics_files(pipeline)}
        changed = Path(LOCK).stat().st_mtime
        draft = Occurrence("", lock, pipeline, figures, None, head, False, head, "", int(changed * 1000))
        if draft.is_whole():
            dirty = not _is_of(draft, head)
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(changed))
            name = f"workspace on {head[:10]}{' with changes' if dirty else ''}, {when}"
            patch = patches.of_workspace(head, draft.code, draft.params) if dirty else ""
            return replace(draft, name=name, dirty=dirty, patch=patch)
    return None


def recipe_of_workspace(changes: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The recipe that the results of dvc repro will have, with the code, params and data as they are now.

    Args:
        changes: sections with params that differ from those of params.yaml.

    Raises:
        InputError: if a file that a stage reads is missing.
    """
    stages = read_stages()
    outs = {path: "" for stage in stages.values() for path in outs_of(stage)}
    read = {path for stage in stages.values() for path in stage.get("deps", []) if not is_within(path, outs)}
    given = merged(load_yaml(Path(PARAMS).read_text(encoding="utf-8")), changes)
    params = {name: given[name] for stage in stages.values() for name in stage.get("params", [])}
    try:
        sources = {path: checksum(Path(path)) for path in read}
    except OSError as error:
        raise InputError(f"{error.filename}: missing, but a stage reads it; bring it back") from error
    return recipe_key(params, sources, {name: stage["cmd"] for name, stage in stages.items()})


def in_commit(commit: str, experiment: str | None) -> Occurrence | None:
    """The result that a commit, or the commit behind an experiment, holds."""
    with suppress(*UNREADABLE):
        lock, pipeline = (blob.decode() for blob in blobs(commit, [LOCK, PIPELINE]))
        paths = metrics_files(pipeline)
        figures = {path: blob.decode() for path, blob in zip(paths, blobs(commit, paths), strict=True)}
        at = int(git("show", "-s", "--format=%ct", commit)) * 1000
        name = f"experiment {experiment}" if experiment else f"commit {commit[:10]}"
        result = Occurrence(name, lock, pipeline, figures, experiment, commit, False, commit, "", at)
        if result.is_whole():
            result = replace(result, dirty=not _is_of(result, commit))
            if experiment and not result.dirty and (origin := commit_of(f"{commit}^")):
                return replace(result, origin=origin, patch=patches.between(origin, commit, result.code))
            return result
    return None


def locked_in(commit: str, name: str) -> Result | None:
    """The result of a commit's dvc.lock, whole or not; None where the commit has no dvc.lock.

    Raises:
        InputError: if the dvc.lock cannot be read.
    """
    (lock,) = blobs(commit, [LOCK])
    return from_lock(lock.decode(errors="replace"), name) if lock else None


def from_lock(lock: str, name: str) -> Result:
    """The result of the text of a dvc.lock.

    Raises:
        InputError: if it cannot be read.
    """
    result = Result(name, lock)
    try:
        _ = result.stages
    except UNREADABLE as error:
        raise InputError(f"{name}: its {LOCK} cannot be read ({one_line(error)})") from error
    return result


def _is_of(result: Occurrence, commit: str) -> bool:
    """Whether the commit holds exactly the code, commands and params of the result."""
    paths = [PARAMS, PIPELINE, *(path for path, md5 in result.sources.items() if not md5.endswith(".dir"))]
    params, pipeline, *texts = blobs(commit, paths)
    held, stages = load_yaml(params.decode()), stages_of(pipeline.decode())
    return (
        all(held.get(name) == values for name, values in result.params.items())
        and all(stages.get(name, {}).get("cmd") == stage["cmd"] for name, stage in result.stages.items())
        and all(
            hashlib.md5(text).hexdigest() == result.sources[path] for path, text in zip(paths[2:], texts, strict=True)
        )
    )


def history() -> list[str]:
    """All commits that changed dvc.lock, oldest first; experiments and stashes are not history."""
    aside = ("--exclude=refs/exps/*", "--exclude=refs/stash")
    return git("rev-list", "--reverse", *aside, "--all", "--", LOCK).split()


def remember(store: str) -> None:
    """Keep the workspace's result on disk until the store has its row, since the next dvc repro overwrites dvc.lock."""
    if (result := in_workspace()) is not None:
        name = f"{digest([store, result.key])}.json"
        write_json(repository_root() / SEEN / name, {"store": store, "result": asdict(result)})


def remembered(store: str) -> Iterator[tuple[Path, Occurrence | None]]:
    """The results that `remember` kept for a store, with their files, oldest first; None for a damaged file."""
    for path in sorted((repository_root() / SEEN).glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        try:
            kept = read_json(path)
            if kept["store"] == store:
                result = Occurrence(**kept["result"])
                _ = result.key, result.metrics
                yield path, result
        except (InputError, *UNREADABLE):
            yield path, None
