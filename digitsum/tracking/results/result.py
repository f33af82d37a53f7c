"""Results of the pipeline, as dvc.lock tells them: what each stage was given and what it made, wherever it was made."""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from digitsum.errors import InputError
from digitsum.files import write_json
from digitsum.formats import load_yaml, read_json
from digitsum.places import LOCK, PARAMS, PIPELINE, STATE, repository_root
from digitsum.tracking.results import patches
from digitsum.tracking.results.checksums import digest
from digitsum.tracking.results.git import blobs, git, head_commit

SEEN = STATE / "results"  # the results of this workspace that have no row yet
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, subprocess.CalledProcessError)
Essence = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One outcome of the whole pipeline, and one occasion on which it came about."""

    lock: str  # the text of dvc.lock
    pipeline: str  # and that of dvc.yaml
    figures: Mapping[str, str]  # the texts of the metrics files
    occasion: str  # in words
    experiment: str | None  # DVC's name of it
    commit: str  # that holds its code and params, or that the workspace is based on
    dirty: bool  # whether code or params differ from those of the commit
    origin: str  # the commit that the patch is of: an experiment's own is gone once DVC removes it
    patch: str  # what makes the code and params of the origin those of the result, as far as known
    time: int  # milliseconds since the epoch

    @cached_property
    def stages(self) -> dict[str, Essence]:
        """Command, params, and checksums of dependencies and outs of each stage."""
        return essence(self.lock)

    @cached_property
    def key(self) -> str:
        """The same for the same data, params, code and outcome."""
        return digest(self.stages)

    def stage_key(self, name: str) -> str:
        """Of what a stage was given and made; many runs may have made the same outs of other params."""
        return digest(self.stages[name])

    def outs_key(self, name: str) -> str:
        return digest(self.stages[name]["outs"])

    @property
    def params(self) -> dict[str, Any]:
        return params_of(self.stages)

    @property
    def outs(self) -> dict[str, str]:
        return {path: md5 for stage in self.stages.values() for path, md5 in stage["outs"].items()}

    @property
    def sources(self) -> dict[str, str]:
        """What the stages read and none of them made: code, and data from outside."""
        read = {path: md5 for stage in self.stages.values() for path, md5 in stage["deps"].items()}
        return {path: md5 for path, md5 in read.items() if not _made(path, self.outs)}

    @property
    def code(self) -> dict[str, str]:
        return {path: md5 for path, md5 in self.sources.items() if not path.startswith("data/")}

    @cached_property
    def metrics(self) -> dict[str, float]:
        found = {name: value for text in self.figures.values() for name, value in json.loads(text).items()}
        return {name: value for name, value in found.items() if isinstance(value, int | float)}

    def is_whole(self) -> bool:
        """Every stage is there, was given what the others made, the same code and params, and the metrics are its own.

        Where a pipeline stopped half-way, dvc.lock is a mixture.
        """
        if set(self.stages) != set(load_yaml(self.pipeline)["stages"]):
            return False
        given = self.sources | self.outs
        return (
            all(
                given[path] == md5
                for stage in self.stages.values()
                for path, md5 in stage["deps"].items()
                if path in given
            )
            and all(self.params[name] == own for stage in self.stages.values() for name, own in stage["params"].items())
            and all(self.outs[path] == hashlib.md5(text.encode()).hexdigest() for path, text in self.figures.items())
        )


def essence(lock: str) -> dict[str, Essence]:
    """The stages of dvc.lock in the order in which they run, without sizes and counts."""
    stages = {name: stage_essence(entry) for name, entry in load_yaml(lock)["stages"].items()}
    before = {
        name: {other for other, maker in stages.items() if any(_made(path, maker["outs"]) for path in stage["deps"])}
        for name, stage in stages.items()
    }
    return {name: stages[name] for name in TopologicalSorter(before).static_order()}


def params_of(stages: Mapping[str, Essence]) -> dict[str, Any]:
    """All sections that the stages read."""
    sections: dict[str, Any] = {}
    for stage in stages.values():
        sections |= stage["params"]
    return sections


def stage_essence(entry: Mapping[str, Any]) -> Essence:
    """Of an entry of dvc.lock or of the run-cache."""
    sides = {side: {item["path"]: item["md5"] for item in entry.get(side, [])} for side in ("deps", "outs")}
    return {"cmd": entry["cmd"], "params": entry.get("params", {}).get(PARAMS, {}), **sides}


def _made(path: str, outs: Mapping[str, str]) -> bool:
    return path in outs or any(path.startswith(f"{out}/") for out in outs)


def metrics_files(pipeline: str) -> list[str]:
    stages = load_yaml(pipeline)["stages"].values()
    return [out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage.get("metrics", [])]


def in_workspace() -> Result | None:
    """The result that dvc.lock holds, whether or not code and params have changed since."""
    head = head_commit()
    with suppress(*UNREADABLE):
        lock, pipeline = Path(LOCK).read_text(), Path(PIPELINE).read_text()
        figures = {path: Path(path).read_text() for path in metrics_files(pipeline)}
        changed = Path(LOCK).stat().st_mtime
        draft = Result(lock, pipeline, figures, "", None, head, False, head, "", int(changed * 1000))
        if draft.is_whole():
            dirty = not _is_of(draft, head)
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(changed))
            occasion = f"workspace on {head[:10]}{' with changes' if dirty else ''}, {when}"
            patch = patches.of_workspace(head, draft.code, draft.params) if dirty else ""
            return replace(draft, occasion=occasion, dirty=dirty, patch=patch)
    return None


def _is_of(result: Result, commit: str) -> bool:
    """Whether the commit holds exactly the code, commands and params of the result."""
    paths = [PARAMS, PIPELINE, *(path for path, md5 in result.sources.items() if not md5.endswith(".dir"))]
    params, pipeline, *texts = blobs(commit, paths)
    held, stages = load_yaml(params.decode()), load_yaml(pipeline.decode())["stages"]
    return (
        all(held.get(name) == values for name, values in result.params.items())
        and all(stages.get(name, {}).get("cmd") == stage["cmd"] for name, stage in result.stages.items())
        and all(
            hashlib.md5(text).hexdigest() == result.sources[path] for path, text in zip(paths[2:], texts, strict=True)
        )
    )


def in_commit(commit: str, experiment: str | None) -> Result | None:
    """The result that a commit, or the commit behind an experiment, holds."""
    with suppress(*UNREADABLE):
        lock, pipeline = (blob.decode() for blob in blobs(commit, [LOCK, PIPELINE]))
        paths = metrics_files(pipeline)
        figures = {path: blob.decode() for path, blob in zip(paths, blobs(commit, paths), strict=True)}
        at = int(git("show", "-s", "--format=%ct", commit)) * 1000
        occasion = f"experiment {experiment}" if experiment else f"commit {commit[:10]}"
        result = Result(lock, pipeline, figures, occasion, experiment, commit, False, commit, "", at)
        if result.is_whole():
            result = replace(result, dirty=not _is_of(result, commit))
            if experiment and not result.dirty:
                origin = git("rev-parse", f"{commit}^").strip()
                return replace(result, origin=origin, patch=patches.between(origin, commit, result.code))
            return result
    return None


def experiments() -> list[tuple[str, str]]:
    """DVC's experiments: commit and name, oldest first."""
    refs = git("for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    pairs = [line.split() for line in refs]
    # refs/exps/AB/CDEF.../NAME, where ABCDEF... is the commit it started from; others are DVC's own
    return [(commit, ref.split("/")[4]) for commit, ref in pairs if ref.count("/") == 4 and ref.split("/")[2] != "exec"]


def history() -> list[str]:
    """All commits that changed dvc.lock, oldest first; experiments and stashes are not history."""
    aside = ("--exclude=refs/exps/*", "--exclude=refs/stash")
    return git("rev-list", "--reverse", *aside, "--all", "--", LOCK).split()


def remember(store: str) -> None:
    """Keeps the workspace's result on disk until the store has its row: the next `dvc repro` overwrites dvc.lock."""
    if (result := in_workspace()) is not None:
        name = f"{digest([store, result.key])}.json"
        write_json(repository_root() / SEEN / name, {"store": store, "result": asdict(result)})


def remembered(store: str) -> Iterator[tuple[Path, Result]]:
    """
    Raises:
        InputError: if a file is not what `remember` wrote.
    """
    for path in sorted((repository_root() / SEEN).glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        try:
            kept = read_json(path)
            if kept["store"] == store:
                yield path, Result(**kept["result"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a result as this version keeps them; delete the file") from error
