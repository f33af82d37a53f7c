"""Edits params.yaml and keeps its comments, its order and the form of every value that stays the same."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat

from digitsum.errors import InputError, one_line
from digitsum.files import write_text
from digitsum.formats import load_yaml
from digitsum.params.loader import parse_params, read_params


def change_params(path: Path, values: Mapping[Any, Any], origin: str) -> list[str]:
    """Writes values into params.yaml; they may be some keys of some sections.

    Args:
        origin: where the values come from, which errors name.

    Returns:
        A line for each value that changed, such as `train.epochs: 3 -> 4`.

    Raises:
        InputError: if params.yaml cannot be read, or would not be valid with the values; the file then stays as it was.
    """
    read_params(path)
    before = path.read_text(encoding="utf-8")
    try:
        after = edited(before, values)
    except YAMLError as error:
        raise InputError(f"{path}: cannot be edited ({one_line(error)})") from error
    parse_params(after, origin)
    changes = list(_differences(load_yaml(before), load_yaml(after)))
    if changes:
        write_text(path, after)
    return changes


def edited(text: str, values: Mapping[Any, Any]) -> str:
    """The text of params.yaml with these values, which may be some keys of some sections."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 10_000
    write = editor.representer
    write.add_representer(type(None), lambda own, _: own.represent_scalar("tag:yaml.org,2002:null", "null"))
    for kind in (float, ScalarFloat):  # the editor's own representer may lose the last digit
        write.add_representer(kind, lambda own, value: own.represent_scalar("tag:yaml.org,2002:float", f"{value!r}"))
    params = editor.load(text)
    _overwrite(params, values)
    file = io.StringIO()
    editor.dump(params, file)
    return file.getvalue()


def _overwrite(there: dict[str, Any], values: Mapping[Any, Any]) -> None:
    """Sets only the values that differ, so that the others keep their form and comments."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(there.get(key), dict):
            _overwrite(there[key], value)
        elif isinstance(value, list) and isinstance(there.get(key), list):
            there[key][:] = value
        elif key not in there or _differ(there[key], value):
            there[key] = value


def _differ(old: Any, new: Any) -> bool:
    """Whether two values differ; in Python, True equals 1."""
    return bool(old != new) or isinstance(old, bool) != isinstance(new, bool)


def _differences(before: Mapping[Any, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in after.items():
        old = before[key]  # valid params always have the same keys
        if isinstance(value, Mapping):
            yield from _differences(old, value, f"{prefix}{key}.")
        elif _differ(old, value):
            yield f"{prefix}{key}: {_shown(old)} -> {_shown(value)}"


def _shown(value: Any) -> str:
    """A value as YAML has it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
