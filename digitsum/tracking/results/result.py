"""Results of the pipeline as dvc.lock records them: what each stage was given, and what it made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from digitsum.pipeline import stages_of
from digitsum.tracking.results.checksums import digest
from digitsum.tracking.results.dvc_files import Essence, essence, is_within, params_of


def recipe_key(params: Mapping[str, Any], sources: Mapping[str, str], commands: Mapping[str, str]) -> str:
    """The same for the same code, params, commands and data from outside, whatever the seed of training."""
    without = {
        name: {key: value for key, value in values.items() if key != "seed"}
        for name, values in params.items()
        if name == "train"
    }
    return digest([{**params, **without}, sources, commands])


@dataclass(frozen=True)
class Result:
    """One outcome of the pipeline."""

    name: str  # in words
    lock: str  # the text of dvc.lock

    @cached_property
    def stages(self) -> dict[str, Essence]:
        """The command, the params, and the checksums of the deps and outs of each stage."""
        return essence(self.lock)

    @cached_property
    def key(self) -> str:
        """The same for the same data, params, code and outcome."""
        return digest(self.stages)

    @property
    def recipe(self) -> str:
        """The same for results of the same code, params and data from outside, except for the seed of training."""
        return recipe_key(self.params, self.sources, {name: stage["cmd"] for name, stage in self.stages.items()})

    def stage_key(self, name: str) -> str:
        """The same for a stage that was given the same and made the same."""
        return digest(self.stages[name])

    def outs_key(self, name: str) -> str:
        """The same for a stage that made the same, perhaps with other params."""
        return digest(self.stages[name]["outs"])

    @property
    def params(self) -> dict[str, Any]:
        return params_of(self.stages)

    @property
    def outs(self) -> dict[str, str]:
        return {path: md5 for stage in self.stages.values() for path, md5 in stage["outs"].items()}

    @property
    def sources(self) -> dict[str, str]:
        """What stages read and no stage made: code, and data from outside."""
        read = {path: md5 for stage in self.stages.values() for path, md5 in stage["deps"].items()}
        return {path: md5 for path, md5 in read.items() if not is_within(path, self.outs)}

    @property
    def code(self) -> dict[str, str]:
        return {path: md5 for path, md5 in self.sources.items() if not path.startswith("data/")}

    def checksum(self, path: Path | str) -> str | None:
        """The checksum of a file that a stage read or made; None if no stage did."""
        for stage in self.stages.values():
            if md5 := (stage["outs"] | stage["deps"]).get(str(path)):
                return str(md5)
        return None


@dataclass(frozen=True)
class Occurrence(Result):
    """A result with its metrics, and one occasion on which it came about, which `name` describes."""

    pipeline: str  # the text of dvc.yaml
    figures: Mapping[str, str]  # the texts of the metrics files
    experiment: str | None  # DVC's name
    commit: str  # the commit that holds the code and params, or that the workspace is based on
    dirty: bool  # whether code or params differ from those of the commit
    origin: str  # the commit that the patch starts from; an experiment's own commit is gone once DVC removes it
    patch: str  # turns the code and params of the origin into those of the result, as far as known
    time: int  # milliseconds since the epoch

    @cached_property
    def metrics(self) -> dict[str, float]:
        found = {name: value for text in self.figures.values() for name, value in json.loads(text).items()}
        return {name: value for name, value in found.items() if isinstance(value, int | float)}

    def is_whole(self) -> bool:
        """Whether every stage has run, on what the others made and on the same code and params, and made the metrics.

        Where a pipeline stopped half-way, dvc.lock is a mixture.
        """
        if set(self.stages) != set(stages_of(self.pipeline)):
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
