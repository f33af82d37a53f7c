"""The params that a sweep chooses, from a file such as sweeps/rates.yaml."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, model_validator

from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml
from digitsum.judging.seeds import SEED
from digitsum.params.loader import parse_params, sections
from digitsum.params.section import Strict
from digitsum.pipeline import read_stages
from digitsum.places import PARAMS
from digitsum.recipes import merged, nested

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
DIGITS = 4  # significant digits of a number from a continuous range

Value: TypeAlias = bool | int | float | str | list[Any] | None


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
                f"{self.low:g} to {self.high:g} is {self._steps:g} steps of {self.step:g}; make it a whole number"
            )
        return self

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


class Space:
    """The values that each param of a sweep may take. All params are named by DVC's keys, such as train.epochs."""

    def __init__(self, origin: Path, sweep: SweepFile):
        """
        Raises:
            InputError: if a param is unknown or a sweep cannot choose it, or params.yaml would refuse an end of a range
                or a choice.
        """
        self.origin, self.sweep = origin, sweep
        self.distributions = {key: self._distribution(key, wanted) for key, wanted in sweep.params.items()}
        for key, wanted in sweep.params.items():
            there = self.distributions[key]
            ends = wanted.choices if isinstance(wanted, Choices) else [there.low, there.high]  # type: ignore[attr-defined]
            for end in ends:
                self.require_valid({key: end})

    @classmethod
    def read(cls, path: Path) -> "Space":
        """
        Raises:
            InputError: in one line, if the file cannot be read or is no sweep, and as the constructor.
        """
        if not re.fullmatch(NAME, path.stem):
            raise InputError(
                f"{path}: the sweep has this name, so it may only have letters, digits, - and _; rename it"
            )
        try:
            given = load_yaml(path.read_text(encoding="utf-8"))
            return cls(path, SweepFile.model_validate(given))
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; ls sweeps lists the sweeps") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"{path}: not readable as YAML ({one_line(error)})") from error
        except ValidationError as error:
            raise InputError(f"{path}: {_fault(error)}") from error

    @property
    def name(self) -> str:
        return self.origin.stem

    @property
    def given(self) -> dict[str, Any]:
        """The params as they are now."""
        return dict(load_yaml(Path(PARAMS).read_text(encoding="utf-8")))

    @property
    def seed(self) -> str:
        """The seed that all trials have, as rows have it."""
        return str(self.given["train"]["seed"])

    def described(self) -> dict[str, str]:
        """The range or the choices of each param, in words."""
        return {key: _described(wanted) for key, wanted in self.sweep.params.items()}

    def values(self, proposed: Mapping[str, Any]) -> dict[str, Value]:
        """What params.yaml gets for the values that Optuna proposes: rounded numbers, and lists for their texts."""
        return {key: self._value(key, value) for key, value in proposed.items()}

    def proposed(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """The opposite of `values`."""
        return {key: _text(value) if isinstance(value, list) else value for key, value in values.items()}

    def require_valid(self, values: Mapping[str, Value]) -> None:
        """
        Raises:
            InputError: if params.yaml would refuse these values.
        """
        parse_params(json.dumps(merged(self.given, nested(values))), str(self.origin))

    def _value(self, key: str, value: Any) -> Value:
        wanted = self.sweep.params[key]
        if isinstance(wanted, Choices):
            chosen: Value = next(choice for choice in wanted.choices if value in (_text(choice), choice))
            return chosen
        if isinstance(value, float):
            return min(max(float(f"{value:.{DIGITS}g}"), wanted.low), wanted.high)
        return int(value)

    def _distribution(self, key: str, wanted: Range | Choices) -> BaseDistribution:
        kind = self._kind(key)
        if isinstance(wanted, Choices):
            return CategoricalDistribution(
                [_text(choice) if isinstance(choice, list) else choice for choice in wanted.choices]
            )
        if kind is float:
            return FloatDistribution(wanted.low, wanted.high, wanted.log, wanted.step)
        numbers = (wanted.low, wanted.high, wanted.step or 1.0)
        if kind is not int or not all(number.is_integer() for number in numbers):
            what = "a whole number" if kind is int else "not a number"
            raise InputError(f"{self.origin}: {key} is {what}; list its values under `choices`")
        low, high, step = map(int, numbers)
        return IntDistribution(low, high, wanted.log, step)

    def _kind(self, key: str) -> Any:
        """The type of a param.

        Raises:
            InputError: if there is no such param, or a sweep cannot choose it.
        """
        section, *keys = key.split(".")
        if section not in sections():
            there = ", ".join(sections())
            raise InputError(f"{self.origin}: no section `{section}` in {PARAMS}; the sections are {there}")
        owner: Any = sections()[section]
        for part in keys:
            fields = owner.model_fields if _is_model(owner) else {}
            if part not in fields:
                beside = f"; the keys there are {', '.join(fields)}" if fields else ""
                raise InputError(f"{self.origin}: there is no param {key} in {PARAMS}{beside}")
            owner = fields[part].annotation
        if _is_model(owner):
            raise InputError(f"{self.origin}: {key} is a section; name one of {', '.join(owner.model_fields)} in it")
        trained = _own_sections("train")
        if section not in trained:
            raise InputError(
                f"{self.origin}: {key} does not matter to training alone, so validation could not choose it; a sweep "
                f"chooses params of {' and '.join(trained)}"
            )
        if key == SEED:
            raise InputError(f"{self.origin}: {SEED} is no choice, since no seed is better; replicate shows its noise")
        return owner


def _own_sections(stage: str) -> list[str]:
    """The sections of params that a stage reads and no stage before it; others would change its data."""
    stages = read_stages()
    before = list(stages)[: list(stages).index(stage)]
    earlier = {section for name in before for section in stages[name].get("params", [])}
    return [section for section in stages[stage].get("params", []) if section not in earlier]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _text(choice: Any) -> str:
    return json.dumps(choice)


def _described(wanted: Range | Choices) -> str:
    if isinstance(wanted, Choices):
        return ", ".join(map(_text, wanted.choices))
    how = ", log" if wanted.log else f", step {wanted.step:.10g}" if wanted.step is not None else ""
    return f"{wanted.low:.10g} to {wanted.high:.10g}{how}"


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
        return f"`{key}` is missing"
    if not where:
        return "not a sweep; it has trials, objective, prune, and params with their ranges or choices"
    message = fault["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message[0].lower()}{message[1:]}"
