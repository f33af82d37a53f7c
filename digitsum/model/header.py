"""The description in the header of a model file, read without torch and without the weights."""

import json
from pathlib import Path
from typing import Any

import safetensors

DESCRIPTION = "digitsum"  # the key of the JSON description in the file's metadata


def read_header(path: Path) -> dict[str, Any]:
    """The params of the model, its data, what it was trained on, and in newer files its schema."""
    with safetensors.safe_open(path, framework="np") as file:
        description: dict[str, Any] = json.loads(file.metadata()[DESCRIPTION])
    return description
