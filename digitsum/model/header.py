"""The description in the header of a model file, read without torch and without the weights."""

import json
from pathlib import Path
from typing import Any

import safetensors

from digitsum.errors import InputError, one_line

DESCRIPTION = "digitsum"  # the key of the JSON description in the file's metadata


LONGEST = 1_000_000  # bytes of a header; a resnet50 has 40 thousand


def read_header(path: Path) -> dict[str, Any]:
    """The params of the model, its data, what it was trained on, and in newer files its schema.

    Raises:
        InputError: if the file is missing or not a model file.
    """
    try:
        require_short_header(path)
        with safetensors.safe_open(path, framework="np") as file:
            description: dict[str, Any] = json.loads((file.metadata() or {})[DESCRIPTION])
    except (OSError, ValueError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not a model file ({one_line(error)}); dvc repro train writes one") from error
    return description


def require_short_header(path: Path) -> None:
    """
    Raises:
        ValueError: if the header of a model file would take long to read.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > LONGEST:
        raise ValueError(f"a header of {size:,} bytes, of at most {LONGEST:,}")
