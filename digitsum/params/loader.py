"""Reads params.yaml. Every stage checks all sections, so a wrong value is refused before any work.

A section is a module of this package that defines a subclass of Section; nothing else lists it. A stage depends on the
modules of the sections that it imports, and on no others, since only those can change its results.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from digitsum import places
from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml
from digitsum.params.section import Section

S = TypeVar("S", bound=Section)


class Params:
    """All sections of params.yaml; `params[TrainParams]` is the section of that class."""

    def __init__(self, sections: Mapping[str, Section]):
        self._sections = dict(sections)

    def __getitem__(self, kind: type[S]) -> S:
        section = self._sections[kind.name()]
        assert isinstance(section, kind)
        return section


@cache
def sections() -> dict[str, type[Section]]:
    """The class of each section by the section's name."""
    package = __name__.rpartition(".")[0]
    modules = [import_module(f"{package}.{file.stem}") for file in sorted(Path(__file__).parent.glob("[!_]*.py"))]
    members = [(module, member) for module in modules for member in vars(module).values()]
    found = [
        member
        for module, member in members
        if isinstance(member, type) and issubclass(member, Section) and member.__module__ == module.__name__
    ]
    return {kind.name(): kind for kind in found if kind is not Section}


def read_params(path: Path = Path(places.PARAMS)) -> Params:
    """
    Raises:
        InputError: naming the file, the first wrong `section.key`, its value and what would do, in one line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run this from the folder that has params.yaml") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from error
    return parse_params(text, str(path))


def parse_params(text: str, origin: str) -> Params:
    """Params from the text of params.yaml; errors name its `origin`.

    Raises:
        InputError: as `read_params`.
    """
    try:
        given = load_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"{origin}: not readable as YAML ({one_line(error)})") from error
    if not isinstance(given, dict):
        raise InputError(f"{origin}: must have the sections {', '.join(sections())}")
    for name in given:
        if name not in sections():
            raise InputError(f"{origin}: unknown section `{name}`; the sections are {', '.join(sections())}")
    return Params({name: _section(origin, kind, given.get(name)) for name, kind in sections().items()})


def _section(origin: str, kind: type[Section], given: Any) -> Section:
    if not isinstance(given, dict):
        raise InputError(f"{origin}: section `{kind.name()}` is missing; its keys are {', '.join(kind.model_fields)}")
    try:
        # pydantic's strict mode takes tuples, which YAML does not have
        return kind.model_validate(_tuples(given))
    except ValidationError as error:
        raise InputError(f"{origin}: {_one_fault(kind, error)}") from error
    except RecursionError as error:  # YAML's aliases can do that
        raise InputError(f"{origin}: section `{kind.name()}` contains itself; write its values out") from error


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _one_fault(kind: type[Section], error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    key = ".".join([kind.name(), *(str(part) for part in fault["loc"])])
    if fault["type"] == "extra_forbidden":
        owner: Any = kind
        for part in fault["loc"][:-1]:
            owner = owner.model_fields[part].annotation
        return f"unknown key `{key}`; the keys beside it are {', '.join(owner.model_fields)}"
    if fault["type"] == "missing":
        return f"`{key}` is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"section `{key}`: {message}"
    return f"`{key}` is {fault['input']!r}; {message[0].lower()}{message[1:]}"
