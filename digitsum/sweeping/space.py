"""The values that a sweep may choose, held against params.yaml and as Optuna has them."""

import json
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel

from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.judging.seeds import SEED
from digitsum.params.loader import parse_params, sections
from digitsum.pipeline import read_stages
from digitsum.places import PARAMS
from digitsum.recipes import merged, nested
from digitsum.sweeping.sweep_file import Choices, Range, SweepFile, read_sweep

UNJUDGED = {  # params of training that validation cannot choose, and why
    SEED: "no seed is better than another; replicate shows the noise of seeds",
    "model.shifts": "validation reads strips without shifts",
    "train.device": "it should not change what is learned",
    "train.arithmetic": "it should not change what is learned",
    "train.threads": "it should not change what is learned",
    "train.processes": "it should not change what is learned",
}
DIGITS = 4  # significant digits of a number from a continuous range

Value: TypeAlias = bool | int | float | str | list[Any] | None


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
            InputError: as `read_sweep` and the constructor.
        """
        return cls(path, read_sweep(path))

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
        return {key: str(wanted) for key, wanted in self.sweep.params.items()}

    def values(self, proposed: Mapping[str, Any]) -> dict[str, Value]:
        """What params.yaml gets for the values that Optuna proposes: rounded numbers, and lists for their texts."""
        return {key: self._value(key, value) for key, value in proposed.items()}

    def proposed(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """The opposite of `values`."""
        return {key: json.dumps(value) if isinstance(value, list) else value for key, value in values.items()}

    def present(self) -> dict[str, Any] | None:
        """The values of params.yaml, as Optuna would propose them; None if the sweep cannot choose one of them."""
        given: Any = self.given
        values = {key: reduce(getitem, key.split("."), given) for key in self.distributions}
        held = all(wanted.holds(values[key]) for key, wanted in self.sweep.params.items())
        return self.proposed(values) if held else None

    def require_valid(self, values: Mapping[str, Value]) -> None:
        """
        Raises:
            InputError: if params.yaml would refuse these values.
        """
        parse_params(json.dumps(merged(self.given, nested(values))), str(self.origin))

    def _value(self, key: str, value: Any) -> Value:
        wanted = self.sweep.params[key]
        if isinstance(wanted, Choices):
            chosen: Value = next(choice for choice in wanted.choices if value in (json.dumps(choice), choice))
            return chosen
        if isinstance(value, float):
            return min(max(float(f"{value:.{DIGITS}g}"), wanted.low), wanted.high)
        return int(value)

    def _distribution(self, key: str, wanted: Range | Choices) -> BaseDistribution:
        kind = self._kind(key)
        if isinstance(wanted, Choices):
            return CategoricalDistribution(
                [json.dumps(choice) if isinstance(choice, list) else choice for choice in wanted.choices]
            )
        if kind is float:
            return FloatDistribution(wanted.low, wanted.high, wanted.log, wanted.step)
        numbers = (wanted.low, wanted.high, wanted.step or 1.0)
        if kind is not int or not all(number.is_integer() for number in numbers):
            what = "takes whole numbers; make low, high and step whole"
            if kind is not int:
                what = "is not a number; list its values under `choices`"
            raise InputError(f"{self.origin}: {key} {what}")
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
                f"{self.origin}: {key} is no param of training alone, so trials would differ in more than what they "
                f"learn; a sweep chooses params of {' and '.join(trained)}"
            )
        if key in UNJUDGED:
            raise InputError(f"{self.origin}: {key} is not for validation to choose: {UNJUDGED[key]}; remove it")
        return owner


def _own_sections(stage: str) -> list[str]:
    """The sections of params that a stage reads and no stage before it; others would change its data."""
    stages = read_stages()
    before = list(stages)[: list(stages).index(stage)]
    earlier = {section for name in before for section in stages[name].get("params", [])}
    return [section for section in stages[stage].get("params", []) if section not in earlier]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
