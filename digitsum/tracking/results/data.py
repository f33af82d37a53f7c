"""A data set that a run read: its checksum, and what it holds as far as arrays and JSON files tell."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitsum.errors import InputError
from digitsum.formats import read_array, read_json

Array = tuple[str, str, tuple[int, ...]]  # name, type, shape


@dataclass(frozen=True)
class Data:
    path: str
    checksum: str
    context: str  # who read it
    schema: str | None = None  # as JSON; None where the folder is not at hand
    profile: str | None = None

    @classmethod
    def at(cls, path: Path, checksum: str, context: str) -> "Data":
        """A folder that is there."""
        return cls(str(path), checksum, context, _schema(path), _profile(path))


def _schema(path: Path) -> str:
    """The arrays in a folder, in the form of MLflow's columns, whose types it shows as they are."""
    return json.dumps(
        {"mlflow_colspec": [{"name": name, "type": f"{kind} {shape}"} for name, kind, shape in _arrays(path)]}
    )


def _profile(path: Path) -> str:
    """The number of items in each array, and the plain values of the JSON files that lie in the folder itself."""
    found: dict[str, Any] = {}
    for file in sorted(path.glob("*.json")):
        try:
            values = read_json(file)
        except InputError:
            continue  # of somebody else
        if isinstance(values, dict):
            found |= {name: value for name, value in values.items() if isinstance(value, str | int | float)}
    return json.dumps(found | {"items": {name: shape[0] for name, _, shape in _arrays(path) if shape}})


def _arrays(path: Path) -> Iterator[Array]:
    for file in sorted(path.rglob("*.npy")):
        try:
            array = read_array(file)
        except InputError:
            continue
        yield file.relative_to(path).with_suffix("").as_posix(), str(array.dtype), array.shape
