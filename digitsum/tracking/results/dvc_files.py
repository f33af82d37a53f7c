"""The formats of DVC's own files: dvc.yaml, dvc.lock, the entries of the run-cache, and the refs of experiments."""

from collections.abc import Mapping
from functools import reduce
from graphlib import TopologicalSorter
from operator import getitem
from pathlib import Path
from typing import Any

from digitsum.formats import load_yaml
from digitsum.pipeline import outs_of, read_stages, stages_of
from digitsum.places import PARAMS
from digitsum.tracking.results.cache import cache_folder
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.git import git

Essence = dict[str, Any]  # of a stage: `cmd`, `params`, `deps` and `outs`; the last two map paths to checksums


def metrics_files(pipeline: str) -> list[str]:
    """The paths of all metrics files, from the text of a dvc.yaml."""
    return [path for stage in stages_of(pipeline).values() for path in outs_of({"metrics": stage.get("metrics")})]


def essence(lock: str) -> dict[str, Essence]:
    """The stages of a dvc.lock in the order in which they run, without sizes and counts, from its text."""
    stages = {name: stage_essence(entry) for name, entry in load_yaml(lock)["stages"].items()}
    before = {
        name: {
            other for other, maker in stages.items() if any(is_within(path, maker["outs"]) for path in stage["deps"])
        }
        for name, stage in stages.items()
    }
    return {name: stages[name] for name in TopologicalSorter(before).static_order()}


def stage_essence(entry: Mapping[str, Any]) -> Essence:
    """An entry of dvc.lock or of the run-cache."""
    sides = {side: {item["path"]: item["md5"] for item in entry.get(side, [])} for side in ("deps", "outs")}
    return {"cmd": entry["cmd"], "params": entry.get("params", {}).get(PARAMS, {}), **sides}


def current_essence(stage: str) -> Essence:
    """What dvc.lock will have of a stage that has run now.

    Raises:
        OSError: if a file is missing.
        KeyError: if params.yaml lacks a param of the stage.
    """
    entry = read_stages()[stage]
    params = load_yaml(Path(PARAMS).read_text(encoding="utf-8"))
    return {
        "cmd": entry["cmd"],
        "params": {key: reduce(getitem, key.split("."), params) for key in entry.get("params", [])},
        "deps": {path: checksum(Path(path)) for path in entry.get("deps", [])},
        "outs": {path: checksum(Path(path)) for path in outs_of(entry)},
    }


def params_of(stages: Mapping[str, Essence]) -> dict[str, Any]:
    """All sections of params that the stages read."""
    sections: dict[str, Any] = {}
    for stage in stages.values():
        sections |= stage["params"]
    return sections


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as one mapping with DVC's keys, such as train.augment.rotate."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found


def is_within(path: str, outs: Mapping[str, str]) -> bool:
    """Whether a path is one of the outs, or lies in one."""
    return path in outs or any(path.startswith(f"{out}/") for out in outs)


def earlier_runs(out: str) -> list[Essence]:
    """The run-cache's entries of stages that made `out`."""
    cache = cache_folder(Path.cwd())
    files = sorted((cache / "runs").glob("*/*/*")) if cache else []
    entries = [load_yaml(file.read_text()) for file in files if file.is_file() and file.suffix != ".tmp"]
    return [stage_essence(entry) for entry in entries if any(made["path"] == out for made in entry.get("outs", []))]


def experiments() -> list[tuple[str, str]]:
    """DVC's experiments: commit and name, oldest first."""
    refs = git("for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    pairs = [line.split() for line in refs]
    # refs/exps/AB/CDEF.../NAME, where ABCDEF... is the commit it started from; others are DVC's own
    return [(commit, ref.split("/")[4]) for commit, ref in pairs if ref.count("/") == 4 and ref.split("/")[2] != "exec"]
