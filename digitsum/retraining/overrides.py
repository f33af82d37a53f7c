"""Changes of params as text, for example from the form of a CI job."""

import re
from pathlib import Path
from typing import Any

import yaml

from digitsum.editing import change_params
from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.recipes import nested

KEY = r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+"
PLAIN = r"[\w.,:/+\[\]-]+"  # a value without characters that a shell acts upon


def apply(words: str, path: Path = Path("params.yaml")) -> None:
    """Writes changes such as `train.epochs=4 train.seed=2` into params.yaml, if all of them are valid.

    Raises:
        InputError: naming the change that is not valid.
    """
    given = load_yaml(path.read_text(encoding="utf-8"))
    changes: dict[str, Any] = {}
    for word in words.split():
        key, _, value = word.partition("=")
        if not re.fullmatch(KEY, key) or not re.fullmatch(PLAIN, value):
            raise InputError(
                f"override {word!r}: not of the form section.key=value in plain characters, for example train.epochs=4 "
                "or model.shifts=[-3,0,3]"
            )
        *sections, last = key.split(".")
        there: Any = given
        for section in sections:
            there = there.get(section) if isinstance(there, dict) else None
        if not isinstance(there, dict) or last not in there or isinstance(there[last], dict):
            raise InputError(f"override {word!r}: there is no param {key} in {path}; use one of its keys")
        try:
            changes[key] = load_yaml(value)
        except yaml.YAMLError as error:
            raise InputError(f"override {word!r}: the value is not YAML") from error
    if changes:
        change_params(path, nested(changes), "override")
