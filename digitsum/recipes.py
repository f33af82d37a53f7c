"""Recipes: files with some sections of params.yaml, in part or whole, that can be applied to it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from digitsum import places
from digitsum.editing import edited
from digitsum.errors import InputError, one_line
from digitsum.files import write_text
from digitsum.formats import load_yaml
from digitsum.params.loader import read_params

NOWHERE = object()


def apply(recipe: Path, params: Path = Path(places.PARAMS)) -> list[str]:
    """Sets the recipe's values in params.yaml and returns a line for each that changed, such as `train.epochs: 3 -> 4`.

    Raises:
        InputError: if either file cannot be read, or the params would not be valid; then nothing was changed.
    """
    try:
        overlay = load_yaml(recipe.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{recipe}: no such file; ls recipes lists what there is") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{recipe}: not readable as YAML ({one_line(error)})") from error
    if not isinstance(overlay, dict) or not all(isinstance(values, dict) for values in overlay.values()):
        raise InputError(f"{recipe}: not a recipe; sections of {params} with their keys are expected")
    read_params(params)
    before = params.read_text(encoding="utf-8")
    after = edited(before, overlay)
    with TemporaryDirectory(prefix="digitsum-") as folder:
        draft = Path(folder) / places.PARAMS
        draft.write_text(after, encoding="utf-8")
        try:
            read_params(draft)
        except InputError as error:
            raise InputError(f"{recipe}: {str(error).removeprefix(f'{draft}: ')}") from error
    write_text(params, after)
    return list(_changes(load_yaml(before), load_yaml(after))) or [f"{params} already has the values of {recipe}"]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in after.items():
        old = before.get(key, NOWHERE)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from _changes(old, value, f"{prefix}{key}.")
        elif old != value:
            yield f"{prefix}{key}: {old} -> {value}"
