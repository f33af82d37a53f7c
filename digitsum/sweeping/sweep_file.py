"""The file of a sweep, such as sweeps/rates.yaml: which params it chooses, from which values, and how often."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml
from digitsum.params.section import Strict

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


class Range(Strict):
    """Numbers from `low` to `high`, both included; by their logarithm, or in steps."""

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} is empty; low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}, which has no logarithm; set log to false, or low above 0")
        if self.log and self.step is not None:
            raise ValueError("a range has log or step, not both; remove one")
        if self.step is not None and not math.isclose(round(self._steps) or 1, self._steps, rel_tol=1e-9):
            raise ValueError(
                f"{self.low:g} to {self.high:g} is {self._steps:g} steps of {self.step:g}; change high or step"
            )
        return self

    def __str__(self) -> str:
        how = ", log" if self.log else f", step {self.step:.10g}" if self.step is not None else ""
        return f"{self.low:.10g} to {self.high:.10g}{how}"

    def holds(self, value: float) -> bool:
        """Whether the value is in the range."""
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def _steps(self) -> float:
        return (self.high - self.low) / (self.step or 1)


class Choices(Strict):
    """A few values, which may be lists."""

    choices: list[Any] = Field(min_length=2)

    @model_validator(mode="after")
    def _are_different(self) -> "Choices":
        if len({json.dumps(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError("a choice is there twice; remove one")
        return self

    def holds(self, value: Any) -> bool:
        """Whether the value is a choice."""
        return json.dumps(value) in map(json.dumps, self.choices)

    def __str__(self) -> str:
        return ", ".join(map(json.dumps, self.choices))


def _kind_of(given: Any) -> str:
    chosen = isinstance(given, Choices) or (isinstance(given, Mapping) and "choices" in given)
    return "choices" if chosen else "range"


Wanted = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind_of)]


class SweepFile(Strict):
    """What a sweep chooses, by what, and how often."""

    trials: int = Field(default=20, ge=1, le=10_000)
    objective: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    prune: bool = True
    params: dict[str, Wanted] = Field(min_length=1)


def read_sweep(path: Path) -> SweepFile:
    """
    Raises:
        InputError: in one line, if the file cannot be read or is no sweep.
    """
    if not re.fullmatch(NAME, path.stem):
        raise InputError(f"{path}: the sweep has this name; rename the file to letters, digits, - and _")
    try:
        return SweepFile.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; ls sweeps lists the sweeps") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({one_line(error)})") from error
    except ValidationError as error:
        raise InputError(f"{path}: {_fault(error)}") from error


def _fault(error: ValidationError) -> str:
    """The first fault, in one line."""
    fault = error.errors(include_url=False)[0]
    where = [str(part) for part in fault["loc"] if part not in ("range", "choices")]
    key = ".".join(where[1:] if where[:1] == ["params"] and len(where) > 1 else where)
    if fault["type"] == "missing" and len(where) > 1:
        return f"`{where[1]}` has neither low and high, perhaps with log or step, nor choices"
    if fault["type"] == "extra_forbidden" and len(where) > 1:
        return f"unknown key `{key}`; a param has low and high, perhaps with log or step, or choices"
    if fault["type"] == "extra_forbidden":
        return f"unknown key `{key}`; the keys are {', '.join(SweepFile.model_fields)}"
    if fault["type"] == "missing":
        return f"`{key}` is missing; sweeps/rates.yaml is an example"
    if not where:
        return "not a sweep; it has trials, objective, prune, and params with their ranges or choices"
    message = fault["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message[0].lower()}{message[1:]}"
