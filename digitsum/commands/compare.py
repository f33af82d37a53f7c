"""Compare two results on the same test strips: which sums were fixed, and which broke."""

from argparse import ArgumentParser

from digitsum.commands._arguments import RESULT
from digitsum.errors import InputError

EXAMPLE = "python -m digitsum compare HEAD~1"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("before", nargs="?", metavar="RESULT", help=f"{RESULT}; default: the champion")
    parser.add_argument("after", nargs="?", metavar="OTHER", help="the result to compare with it; default: workspace")
    parser.add_argument(
        "--if-champion", action="store_true", help="succeed where there is no champion, or it cannot be compared"
    )


def run(before: str | None, after: str | None, if_champion: bool) -> None:
    from digitsum.judging.compare import compare_results
    from digitsum.tracking.find import champion, find_result, here
    from digitsum.tracking.rows.settings import switched_off

    if if_champion and switched_off():
        return
    other = champion() if before is None else find_result(before)
    if other is None:
        if not if_champion:
            raise InputError("no champion is registered; name a result to compare with, such as HEAD~1")
        return
    try:
        print(compare_results(other, here() if after is None else find_result(after)))
    except InputError as error:
        if not if_champion:
            raise
        print(f"compared  not with the champion: {error}")
