"""Which files of this project a stage's results depend on: its imports, and theirs.

DVC does not follow imports, so dvc.yaml lists these files, which `make deps` writes. What DVC cannot do, so that nobody
tries it again: a dep must be a string, lists are not interpolated outside `cmd`, and a folder as a dep reruns a stage
for files that it does not import.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("digitsum", "stages")
RECORDING = "digitsum/tracking/"  # it cannot change results, so none depends on it or on what it alone imports


def files_of(stage: str) -> list[Path]:
    """The code that a stage's results depend on, sorted, relative to the repository's root."""
    found = _reachable(ROOT / "stages" / f"{stage}.py") | {ROOT / "stages" / "__init__.py"}
    return sorted(
        path.relative_to(ROOT) for path in found if not path.relative_to(ROOT).as_posix().startswith(RECORDING)
    )


def digest_of(stage: str) -> str:
    """A checksum of the code that a stage's results depend on."""
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in files_of(stage))).hexdigest()


def _reachable(start: Path) -> set[Path]:
    """A file, and all files of the project that it imports or whose names it contains, directly or not."""
    found: set[Path] = set()
    unseen = {start}
    while unseen:
        path = unseen.pop()
        found.add(path)
        if not path.relative_to(ROOT).as_posix().startswith(RECORDING):
            unseen |= neighbors(path) - found
    return found


@cache
def neighbors(path: Path) -> frozenset[Path]:
    """The modules that a file imports, with the `__init__.py` of their packages, and the templates that it names."""
    if path.suffix == ".py":
        modules = (file for name in _imported(path) for file in _files_of_module(name))
        return frozenset(modules) | _templates(path)
    return _templates(path)


def _imported(path: Path) -> Iterator[str]:
    """Dotted names of what a module imports, anywhere in it; a name in a module may be a module or not."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files_of_module(name: str) -> Iterator[Path]:
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return
    for depth in range(1, len(parts) + 1):
        place = ROOT.joinpath(*parts[:depth])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield file


def _templates(path: Path) -> frozenset[Path]:
    """Page templates that a file names: those in `templates` beside it."""
    folder = path.parent if path.parent.name == "templates" else path.parent / "templates"
    if not folder.is_dir():
        return frozenset()
    text = path.read_text(encoding="utf-8")
    return frozenset(file for file in folder.iterdir() if f'"{file.name}"' in text)
