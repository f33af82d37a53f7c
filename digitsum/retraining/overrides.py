"""Changes of params that come as words, as from a form that somebody filled in."""

import re
from pathlib import Path
from typing import Any

import yaml

from digitsum.editing import change_params
from digitsum.errors import InputError
from digitsum.formats import load_yaml

KEY = r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+"
PLAIN = r"[\w.,:/+\[\]-]+"  # of a value; nothing that a shell would act upon


def apply(words: str, path: Path = Path("params.yaml")) -> None:
    """Writes `section.key=value section.key=value ...` into params.yaml, if all of it is valid.

    Raises:
        InputError: naming the word that is not.
    """
    given = load_yaml(path.read_text(encoding="utf-8"))
    changes: dict[str, Any] = {}
    for word in words.split():
        key, _, value = word.partition("=")
        if not re.fullmatch(KEY, key) or not re.fullmatch(PLAIN, value):
            raise InputError(
                f"override {word!r}: not of the form section.key=value in plain characters, such as train.epochs=4 or "
                "model.shifts=[-3,0,3]"
            )
        *sections, last = key.split(".")
        there: Any = given
        new = changes
        for section in sections:
            there = there.get(section) if isinstance(there, dict) else None
            new = new.setdefault(section, {})
        if not isinstance(there, dict) or last not in there or isinstance(there[last], dict):
            raise InputError(f"override {word!r}: no param {key} in {path}, which has the keys that there are")
        try:
            new[last] = load_yaml(value)
        except yaml.YAMLError as error:
            raise InputError(f"override {word!r}: the value is not YAML") from error
    if changes:
        change_params(path, changes, "override")
