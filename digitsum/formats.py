"""Files in foreign formats, read with checks: JSON, YAML, .npy, IDX and CSV.

NumPy and pandas are imported where they are needed: stages read params.yaml before its arithmetic is chosen.
"""

import gzip
import json
import math
import re
import warnings
import zlib
from collections.abc import Callable, Collection, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from digitsum.errors import InputError, one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def read_json(path: Path) -> Any:
    """
    Raises:
        InputError: if the file is missing, is not JSON, or is too long or too deep.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes; JSON of at most {LARGEST_JSON:,} is read")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the stage before this one writes it (dvc repro)") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({one_line(error)})") from error


def read_figures(path: Path) -> dict[str, float]:
    """Named numbers from a JSON file, such as metrics.

    Raises:
        InputError: if the file is missing or holds anything but finite numbers.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not all(_is_number(value) for value in found.values()):
        raise InputError(f"{path}: not an object of names and finite numbers; dvc repro writes it")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_array(path: Path) -> "np.ndarray":
    """A .npy file, memory-mapped and never unpickled.

    Raises:
        InputError: if the file is missing, empty, truncated, holds Python objects, or is no .npy file.
    """
    from numpy.lib.format import open_memmap

    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; a .npy array is expected")
        with warnings.catch_warnings(action="error"):
            return open_memmap(path, mode="r")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a .npy array is expected") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # NumPy parses headers as Python, which fails in a dozen ways
        if "Python objects" in str(error):
            raise InputError(
                f"{path}: holds Python objects, which are never unpickled; a plain numeric array is expected"
            ) from error
        raise InputError(f"{path}: truncated, or not a .npy file ({one_line(error, 120)})") from error


def write_array(path: Path, array: "np.ndarray") -> None:
    """
    Raises:
        OSError: if the file cannot be written, for example because the disk is full.
    """
    import numpy as np

    with path.open("wb") as file:
        np.save(file, array)


def read_idx(path: Path) -> "np.ndarray":
    """An IDX file of uint8, the format of MNIST, plain or compressed with gzip.

    Raises:
        InputError: if the file is missing, truncated, or not IDX.
    """
    import numpy as np

    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(LARGEST_IDX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error, 120)})") from error
    rank = content[3] if len(content) > 3 else 0
    shape = np.frombuffer(content[4 : 4 + 4 * rank], ">u4").tolist() if len(content) >= 4 + 4 * rank else []
    size = math.prod(shape)
    if content[:3] != b"\0\0\x08" or not 1 <= rank <= 3 or len(content) != 4 + 4 * rank + size:
        raise InputError(
            f"{path}: truncated, or not an IDX file of bytes (header {content[:4].hex()}, {len(content):,} bytes)"
        )
    return np.frombuffer(content, np.uint8, size, 4 + 4 * rank).reshape(shape)


def read_table(
    path: Path, columns: Collection[str], text: Collection[str] = (), numeric: Collection[str] = ()
) -> "pd.DataFrame":
    """A CSV file with these columns at least; those of `text` are read as text, in which nothing stands for missing.

    Raises:
        InputError: if the file is missing, is not CSV, or lacks a column, or one of `numeric` holds no numbers.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=not text)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; dvc repro writes it") from error
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not readable as CSV ({one_line(error, 120)})") from error
    if not set(columns) <= set(table.columns):
        names = ", ".join(map(str, table.columns[:20]))
        raise InputError(f"{path}: has the columns {names}; {', '.join(columns)} are needed")
    for name in numeric:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path}: the column {name} holds other things than numbers; run dvc repro")
    return table


LARGEST_JSON = 100_000_000  # bytes
LARGEST_IDX = 1_000_000_000  # bytes, decompressed; MNIST's have 47 million
LONGEST_YAML = 8_000_000  # characters
DEEPEST_YAML = 50  # collections within each other

# the scalars of YAML 1.2 as ruamel.yaml reads them, and therefore DVC; PyYAML's own resolvers read YAML 1.1
_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "int": (r"[-+]?(?:0b[01_]+|0o?[0-7_]+|[0-9_]+|0x[0-9a-fA-F_]+)", "-+0123456789"),
    "float": (
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "timestamp": (
        r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?"
        r"(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?",
        "0123456789",
    ),
    "merge": (r"<<", "<"),
    "value": (r"=", "="),
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values alone: null, booleans, integers, floats, text, lists and mappings."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def construct_scalar_of(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value.replace("_", "")
        try:
            return _READ[kind](text)
        except (KeyError, ValueError) as error:
            shown = node.value if len(node.value) <= 40 else f"{node.value[:40]}..."
            problem = f"{shown!r} is not read; write text in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_mapping_of(self, node: yaml.MappingNode) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", key_node.start_mark)
            if key in values:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            values[key] = self.construct_object(value_node, deep=True)
        return values


def _integer(text: str) -> int:
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits)


def _float(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan")) if "." in text else float(text)


_READ: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text.lower() == "true",
    "null": lambda _: None,
    "int": _integer,
    "float": lambda text: _float(text.lower()),
}

for _kind, (_pattern, _first) in _SCALARS.items():
    _tag = f"tag:yaml.org,2002:{_kind}"
    _first_characters = ["" if character == "\0" else character for character in _first]
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), _first_characters)
    _Loader.add_constructor(_tag, _Loader.construct_scalar_of)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping_of)
_Loader.add_constructor("tag:yaml.org,2002:seq", lambda loader, node: loader.construct_sequence(node, deep=True))


def load_yaml(text: str) -> Any:
    """Plain values, as DVC reads them: YAML 1.2, so that 042 is 42 and `no` is text.

    Aliases, tags, repeated keys, dates and several documents are refused, and so is what is too long or too deep.

    Raises:
        yaml.YAMLError: if the text is not such YAML.
    """
    if len(text) > LONGEST_YAML:
        raise yaml.YAMLError(f"{len(text):,} characters; at most {LONGEST_YAML:,} are read")
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        refused = (
            (isinstance(event, yaml.AliasEvent), "an alias (*name)"),
            (getattr(event, "tag", None) is not None, "a tag (!name)"),
            (depth > DEEPEST_YAML, f"more than {DEEPEST_YAML} collections within each other"),
            (documents > 1, "a second document"),
        )
        for found, what in refused:
            if found:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise yaml.YAMLError(f"{what} in line {line}, which is not read")
    return yaml.load(text, Loader=_Loader)  # a SafeLoader
