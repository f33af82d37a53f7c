"""Clear what a killed dvc, or one on a full disk, left behind and the next one fails on; nothing else changes."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum mend"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--cache", action="store_true", help="also read all files of DVC's cache, and remove those that are damaged"
    )


def run(cache: bool) -> None:
    from digitsum.tracking.results.leftovers import clear, remove_damaged

    for line in clear() + (remove_damaged() if cache else []):
        print(f"mended    {line}")
