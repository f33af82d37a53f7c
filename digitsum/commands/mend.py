"""Clear what a killed dvc, or one on a full disk, left behind and the next one fails on; nothing else changes."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum mend"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    from digitsum.tracking.results.leftovers import clear

    for line in clear():
        print(f"mended    {line}")
