"""Changes of params.yaml that leave its comments and the form of all else."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarfloat import ScalarFloat


def edited(text: str, sections: Mapping[str, Any]) -> str:
    """The text of params.yaml with these values, which may be only some of a section's."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 10_000
    write = editor.representer
    write.add_representer(type(None), lambda own, _: own.represent_scalar("tag:yaml.org,2002:null", "null"))
    for kind in (float, ScalarFloat):  # of which the editor itself may lose the last digit
        write.add_representer(kind, lambda own, value: own.represent_scalar("tag:yaml.org,2002:float", f"{value!r}"))
    params = editor.load(text)
    _overwrite(params, sections)
    file = io.StringIO()
    editor.dump(params, file)
    return file.getvalue()


def _overwrite(there: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Only what differs, so that the rest keeps its form and comments."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(there.get(key), dict):
            _overwrite(there[key], value)
        elif isinstance(value, list) and isinstance(there.get(key), list):
            there[key][:] = value
        elif key not in there or there[key] != value:
            there[key] = value
