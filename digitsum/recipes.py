"""Recipes: files with some sections of params.yaml, in part or whole, which `python -m digitsum use` applies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from digitsum import places
from digitsum.editing import change_params
from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml
from digitsum.params.loader import sections


def read_recipe(path: Path) -> dict[Any, Any]:
    """The sections of a recipe, each with some of its keys.

    Raises:
        InputError: if the file cannot be read, or is no recipe.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; ls recipes lists the recipes") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({one_line(error)})") from error
    if not isinstance(values, dict) or not all(isinstance(section, dict) for section in values.values()):
        raise InputError(f"{path}: not a recipe; a recipe has sections of {places.PARAMS} with some of their keys")
    for name in values:
        if name not in sections():
            raise InputError(f"{path}: unknown section `{name}`; the sections are {', '.join(sections())}")
    return values


def apply(recipe: Path, params: Path = Path(places.PARAMS)) -> list[str]:
    """Writes the values of a recipe into params.yaml.

    Returns:
        A line for each value that changed, such as `train.epochs: 3 -> 4`, or one line if none did.

    Raises:
        InputError: if a file cannot be read, or the params would not be valid; params.yaml then stays as it was.
    """
    changes = change_params(params, read_recipe(recipe), str(recipe))
    return changes or [f"{params} already has the values of {recipe}"]


def merged(params: Mapping[Any, Any], changes: Mapping[Any, Any]) -> dict[Any, Any]:
    """The params with the values of a recipe."""
    after = dict(params)
    for key, value in changes.items():
        there = after.get(key)
        after[key] = merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return after


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe from values by DVC's keys, such as train.epochs."""
    recipe: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        there = recipe
        for section in sections:
            there = there.setdefault(section, {})
        there[last] = value
    return recipe
