"""params.yaml, typed and strict. Each section's class lives with what it governs and names its section."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from digitsum.errors import InputError

# Named rather than imported: a section's class can refuse a run of any stage but can change the result only of
# the stages that import it, and only those depend on its file in dvc.yaml.
SECTIONS = {
    "strip": "digitsum.strips.params:StripParams",
    "ingest": "digitsum.strips.params:IngestParams",
    "preprocess": "digitsum.strips.params:PreprocessParams",
    "model": "digitsum.model.params:ModelParams",
    "train": "digitsum.model.params:TrainParams",
    "evaluate": "digitsum.analysis.params:EvaluateParams",
    "confusion": "digitsum.analysis.params:ConfusionParams",
    "gate": "digitsum.analysis.params:GateParams",
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads 5e-05 as a number, as YAML 1.2 and so DVC do, and YAML 1.1 does not. Builds plain values alone."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load_yaml(text: str) -> Any:
    """Plain values.

    Raises:
        yaml.YAMLError: if it is no YAML.
    """
    return yaml.load(text, Loader=_Loader)  # a SafeLoader


class Strict(BaseModel):
    """Refuses unknown keys and wrong types; cannot change after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Section(Strict):
    section: ClassVar[str]


S = TypeVar("S", bound=Section)


class Params:
    """All sections of params.yaml; `params[TrainParams]` is the one of that class."""

    def __init__(self, sections: Mapping[str, Section]):
        self._sections = dict(sections)

    def __getitem__(self, kind: type[S]) -> S:
        section = self._sections[kind.section]
        assert isinstance(section, kind)
        return section


def read_params(path: Path = Path("params.yaml")) -> Params:
    """
    Raises:
        InputError: naming `section.key`, what was given and what would do, one line for the first fault.
    """
    try:
        given = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run this from the folder that has params.yaml") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(given, dict):
        raise InputError(f"{path}: must hold the sections {', '.join(SECTIONS)}")
    for name in given:
        if name not in SECTIONS:
            raise InputError(f"{path}: unknown section `{name}`; the sections are {', '.join(SECTIONS)}")
    return Params({name: _section(path, name, given.get(name)) for name in SECTIONS})


def _section(path: Path, name: str, given: Any) -> Section:
    module, _, attribute = SECTIONS[name].partition(":")
    kind: type[Section] = getattr(import_module(module), attribute)
    if not isinstance(given, dict):
        raise InputError(f"{path}: section `{name}` is missing; its keys are {', '.join(kind.model_fields)}")
    try:
        # strict mode wants tuples, which YAML cannot write
        return kind.model_validate(_tuples(given))
    except ValidationError as error:
        raise InputError(f"{path}: {_one_line(name, kind, error)}") from error


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _one_line(section: str, kind: type[Section], error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    key = ".".join([section, *(str(part) for part in fault["loc"])])
    if fault["type"] == "extra_forbidden":
        owner: Any = kind
        for part in fault["loc"][:-1]:
            owner = owner.model_fields[part].annotation
        return f"unknown key `{key}`; the keys here are {', '.join(owner.model_fields)}"
    if fault["type"] == "missing":
        return f"`{key}` is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"section `{key}`: {message}"
    return f"`{key}` is {fault['input']!r}; {message[0].lower()}{message[1:]}"
