"""Make a result again in a clean clone with an empty cache, compare each stage, and record the verdict on its row."""

import sys
from argparse import ArgumentParser

from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum reproduce models/model.safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", metavar="RESULT", help=NAMES)


def run(what: str) -> None:
    from digitsum.tracking.find import find_row
    from digitsum.tracking.reproduce import reproduce
    from digitsum.tracking.rows.store import opened

    with opened() as store:
        verdict = reproduce(store, find_row(store, what))
    print(f"\n{verdict}")
    if not verdict.holds:
        sys.exit(1)
