"""Apply a recipe: write its params into params.yaml, and keep all other params and the comments."""

from argparse import ArgumentParser
from pathlib import Path

EXAMPLE = "python -m digitsum use recipes/mnist-five-minutes.yaml"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe", type=Path, metavar="FILE", help="a YAML file with some sections of params.yaml, in part or whole"
    )


def run(recipe: Path) -> None:
    from digitsum.recipes import apply

    for line in apply(recipe):
        print(line)
