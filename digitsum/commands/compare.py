"""Compare two results on the same test strips: which sums were fixed, and which broke."""

from argparse import ArgumentParser

from digitsum.errors import InputError
from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum compare HEAD~1"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("before", nargs="?", metavar="RESULT", help=f"{NAMES}; default: the champion")
    parser.add_argument("after", nargs="?", metavar="OTHER", help="the result to compare with it; default: workspace")


def run(before: str | None, after: str | None) -> None:
    from digitsum.judging.compare import compare_results
    from digitsum.tracking.find import champion, find_result, here

    result = champion() if before is None else find_result(before)
    if result is None:
        raise InputError("no champion is registered; name a result to compare with, such as HEAD~1")
    print(compare_results(result, here() if after is None else find_result(after)))
