"""Apply a recipe: set the params in its file, and keep everything else in params.yaml with its comments."""

from argparse import ArgumentParser
from pathlib import Path

EXAMPLE = "python -m digitsum use recipes/mnist-five-minutes.yaml"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="FILE", help="a YAML file with some sections of params.yaml")


def run(recipe: Path) -> None:
    from digitsum.recipes import apply

    for line in apply(recipe):
        print(line)
