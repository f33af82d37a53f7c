"""Recipes: files with some sections of params.yaml, in part or whole, that `python -m digitsum use` applies."""

from pathlib import Path

import yaml

from digitsum import places
from digitsum.editing import change_params
from digitsum.errors import InputError, one_line
from digitsum.formats import load_yaml


def apply(recipe: Path, params: Path = Path(places.PARAMS)) -> list[str]:
    """Writes the values of a recipe into params.yaml.

    Returns:
        A line for each value that changed, such as `train.epochs: 3 -> 4`, or one line if none did.

    Raises:
        InputError: if a file cannot be read, or the params would not be valid; params.yaml then stays as it was.
    """
    try:
        values = load_yaml(recipe.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{recipe}: no such file; ls recipes lists the recipes") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{recipe}: not readable as YAML ({one_line(error)})") from error
    if not isinstance(values, dict) or not all(isinstance(section, dict) for section in values.values()):
        raise InputError(f"{recipe}: not a recipe; a recipe has sections of {params} with some of their keys")
    return change_params(params, values, str(recipe)) or [f"{params} already has the values of {recipe}"]
