"""Compare the workspace's result with another on the same test strips: which sums were fixed, and which broke."""

from argparse import ArgumentParser

from digitsum.commands._arguments import RESULT
from digitsum.errors import InputError

EXAMPLE = "python -m digitsum compare HEAD~1"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("other", nargs="?", metavar="RESULT", help=f"{RESULT}; default: the champion")
    parser.add_argument(
        "--if-champion", action="store_true", help="succeed where there is no champion, or it cannot be compared"
    )


def run(other: str | None, if_champion: bool) -> None:
    from digitsum.judging.compare import compare_results
    from digitsum.tracking.find import champion, find_result
    from digitsum.tracking.rows.settings import switched_off

    if if_champion and switched_off():
        return
    result = champion() if other is None else find_result(other)
    if result is None:
        if not if_champion:
            raise InputError("no champion is registered; name a result to compare with, such as HEAD~1")
        return
    try:
        print(compare_results(result))
    except InputError as error:
        if not if_champion:
            raise
        print(f"compared  not with the champion: {error}")
