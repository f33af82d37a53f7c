"""Write the code that each stage imports into dvc.yaml, as its dependencies."""

from argparse import ArgumentParser
from pathlib import Path

from digitsum import places

EXAMPLE = "python -m digitsum deps"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    from digitsum.files import write_text

    before = Path(places.PIPELINE).read_text(encoding="utf-8")
    after = with_code(before)
    if after != before:
        write_text(Path(places.PIPELINE), after)
    print(f"deps      {places.PIPELINE} {'rewritten' if after != before else 'is up to date'}")


def with_code(pipeline: str) -> str:
    """The text of dvc.yaml in which the deps of each stage end with the code that it imports."""
    from digitsum.dependencies import PACKAGES, files_of

    lines: list[str] = []
    section = stage = ""
    in_deps = False
    for line in [*pipeline.splitlines(), "end:"]:
        indent = len(line) - len(line.lstrip())
        if in_deps and indent <= 4:  # a blank line too
            lines += [f"      - {file.as_posix()}" for file in files_of(stage)]
            in_deps = False
        if line and indent == 0:
            section = line
        elif indent == 2 and section.startswith("stages:"):
            stage = line.strip().rstrip(":")
        elif stage and line.strip() == "deps:":
            in_deps = True
        if not (in_deps and line.strip().startswith(tuple(f"- {package}/" for package in PACKAGES))):
            lines.append(line)
    return "\n".join(lines[:-1]) + "\n"
