"""Files in foreign formats, read with checks: JSON, YAML and .npy."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from digitsum.errors import InputError, one_line


def read_json(path: Path) -> Any:
    """
    Raises:
        InputError: if the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the stage before this one writes it (dvc repro)") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error


def read_array(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped and never unpickled.

    Raises:
        InputError: if the file is missing, empty, truncated, holds Python objects, or is no .npy file.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; a .npy array is expected")
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a .npy array is expected") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
        if "Python objects" in str(error):
            raise InputError(
                f"{path}: holds Python objects, which are never unpickled; a plain numeric array is expected"
            ) from error
        raise InputError(f"{path}: truncated, or not a .npy file ({one_line(error, 120)})") from error


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
