"""Results of the pipeline, as dvc.lock tells them: what each stage was given and what it made, wherever it was made."""

import difflib
import hashlib
import json
import os
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

from digitsum.editing import edited
from digitsum.errors import InputError
from digitsum.files import read_json, repository_root, write_json
from digitsum.params import load_yaml
from digitsum.tracking.checksums import checksum, digest

LOCK, PIPELINE, PARAMS = "dvc.lock", "dvc.yaml", "params.yaml"
SEEN = Path(".digitsum/results")  # of this workspace, until they have a row
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
    patch: str  # by what, as far as known
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
        return digest(self.stages[name]["outs"])

    @property
    def params(self) -> dict[str, Any]:
        sections: dict[str, Any] = {}
        for stage in self.stages.values():
            sections |= stage["params"]
        return sections

    @property
    def outs(self) -> dict[str, str]:
        return {path: md5 for stage in self.stages.values() for path, md5 in stage["outs"].items()}

    @property
    def sources(self) -> dict[str, str]:
        """What the stages read and none of them made: code, and data from outside."""
        read = {path: md5 for stage in self.stages.values() for path, md5 in stage["deps"].items()}
        return {path: md5 for path, md5 in read.items() if not _made(path, self.outs)}

    @cached_property
    def metrics(self) -> dict[str, float]:
        return {name: value for text in self.figures.values() for name, value in json.loads(text).items()}

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

    def checksums(entry: Mapping[str, Any], side: str) -> dict[str, str]:
        return {item["path"]: item["md5"] for item in entry.get(side, [])}

    stages = {
        name: {
            "cmd": entry["cmd"],
            "params": entry.get("params", {}).get(PARAMS, {}),
            "deps": checksums(entry, "deps"),
            "outs": checksums(entry, "outs"),
        }
        for name, entry in load_yaml(lock)["stages"].items()
    }
    before = {
        name: {other for other, maker in stages.items() if any(_made(path, maker["outs"]) for path in stage["deps"])}
        for name, stage in stages.items()
    }
    return {name: stages[name] for name in TopologicalSorter(before).static_order()}


def _made(path: str, outs: Mapping[str, str]) -> bool:
    return path in outs or any(path.startswith(f"{out}/") for out in outs)


def metrics_files(pipeline: str) -> list[str]:
    stages = load_yaml(pipeline)["stages"].values()
    return [out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage.get("metrics", [])]


def in_workspace() -> Result | None:
    """The result that dvc.lock holds, whether or not code and params have changed since."""
    with suppress(OSError, ValueError, KeyError, yaml.YAMLError, subprocess.CalledProcessError):
        lock, pipeline = Path(LOCK).read_text(), Path(PIPELINE).read_text()
        figures = {path: Path(path).read_text() for path in metrics_files(pipeline)}
        head = git("rev-parse", "HEAD").strip()
        changed = int(Path(LOCK).stat().st_mtime * 1000)
        draft = Result(lock, pipeline, figures, "", None, head, dirty=False, patch="", time=changed)
        if draft.is_whole():
            dirty = not _is_of(draft, head)
            occasion = f"workspace on {head[:10]}" + (" with changes" if dirty else "")
            return replace(draft, occasion=occasion, dirty=dirty, patch=_patch(draft, head) if dirty else "")
    return None


def _patch(result: Result, commit: str) -> str:
    """What makes the code and params of the commit those of the result; empty if its code is nowhere to be found."""
    code = {path: md5 for path, md5 in result.sources.items() if not path.startswith("data/")}
    there = [hashlib.md5(text).hexdigest() for text in _blobs(commit, list(code))]
    changed = [path for (path, md5), own in zip(code.items(), there, strict=True) if md5 != own]
    if any(not Path(path).is_file() or checksum(Path(path)) != code[path] for path in changed):
        return ""
    tracked = set(git("ls-files", "--", *changed).splitlines()) if changed else set()
    patch = git("diff", "--binary", commit, "--", PIPELINE, *tracked)
    for path in changed:
        if path not in tracked:
            text = Path(path).read_text().splitlines(keepends=True)
            patch += f"diff --git a/{path} b/{path}\nnew file mode 100644\n"
            patch += "".join(difflib.unified_diff([], text, "/dev/null", f"b/{path}"))
    return patch + _params_patch(_blobs(commit, [PARAMS])[0].decode(), result.params)


def _params_patch(text: str, sections: Mapping[str, Any]) -> str:
    old, new = (lines.splitlines(keepends=True) for lines in (text, edited(text, sections)))
    return "".join(difflib.unified_diff(old, new, f"a/{PARAMS}", f"b/{PARAMS}"))


def _is_of(result: Result, commit: str) -> bool:
    """Whether the commit holds exactly the code and params of the result."""
    paths = [PARAMS, *(path for path, md5 in result.sources.items() if not md5.endswith(".dir"))]
    texts = dict(zip(paths, _blobs(commit, paths), strict=True))
    params = load_yaml(texts.pop(PARAMS).decode())
    return all(params.get(name) == values for name, values in result.params.items()) and all(
        hashlib.md5(text).hexdigest() == result.sources[path] for path, text in texts.items()
    )


def _blobs(commit: str, paths: list[str]) -> list[bytes]:
    """What a commit has of files; nothing of those that it does not have."""
    wanted = "".join(f"{commit}:{path}\n" for path in paths).encode()
    said = subprocess.run(["git", "cat-file", "--batch"], input=wanted, capture_output=True, check=True).stdout
    blobs, place = [], 0
    for _ in paths:
        header, _, _ = said[place:].partition(b"\n")
        place += len(header) + 1
        size = 0 if header.endswith(b"missing") else int(header.split()[-1])
        blobs.append(said[place : place + size])
        place += 0 if header.endswith(b"missing") else size + 1
    return blobs


def in_commit(commit: str, experiment: str | None) -> Result | None:
    """The result that a commit, or the commit behind an experiment, holds."""
    with suppress(ValueError, KeyError, TypeError, yaml.YAMLError, subprocess.CalledProcessError):
        lock, pipeline = (blob.decode() for blob in _blobs(commit, [LOCK, PIPELINE]))
        paths = metrics_files(pipeline)
        figures = {path: blob.decode() for path, blob in zip(paths, _blobs(commit, paths), strict=True)}
        at = int(git("show", "-s", "--format=%ct", commit)) * 1000
        occasion = f"experiment {experiment}" if experiment else f"commit {commit[:10]}"
        result = Result(lock, pipeline, figures, occasion, experiment, commit, dirty=False, patch="", time=at)
        if result.is_whole():
            dirty = not _is_of(result, commit)
            return Result(lock, pipeline, figures, occasion, experiment, commit, dirty, "", at)
    return None


def experiments() -> list[tuple[str, str]]:
    """DVC's experiments: commit and name, oldest first."""
    refs = git("for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    pairs = [line.split() for line in refs]
    # refs/exps/AB/CDEF.../NAME, where ABCDEF... is the commit it started from; others are DVC's own
    return [(commit, ref.split("/")[4]) for commit, ref in pairs if ref.count("/") == 4 and ref.split("/")[2] != "exec"]


def history() -> list[str]:
    """All commits that changed dvc.lock, oldest first."""
    return git("rev-list", "--reverse", "--all", "--", LOCK).split()


def remember() -> None:
    """Keeps the workspace's result on disk until it has its row, since the next `dvc repro` overwrites dvc.lock."""
    if (result := in_workspace()) is not None:
        write_json(repository_root() / SEEN / f"{result.key}.json", asdict(result))


def remembered() -> Iterator[tuple[Path, Result]]:
    """
    Raises:
        InputError: if a file is not what `remember` wrote.
    """
    for path in sorted((repository_root() / SEEN).glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        try:
            yield path, Result(**read_json(path))
        except TypeError as error:
            raise InputError(f"{path}: not a result as this version keeps them; delete the file") from error


def git(*words: str) -> str:
    """
    Raises:
        InputError: if git or a repository of it is missing.
        CalledProcessError: if git refuses.
    """
    try:
        english = os.environ | {"LC_ALL": "C"}
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, env=english).stdout
    except FileNotFoundError as error:
        raise InputError("git: no such command; results are told apart by their commits, so install it") from error
    except subprocess.CalledProcessError as error:
        if "not a git repository" in error.stderr:
            raise InputError(
                f"{Path.cwd()}: not a git repository; results are told apart by commits: git init"
            ) from error
        raise


def now() -> int:
    return int(time.time() * 1000)
