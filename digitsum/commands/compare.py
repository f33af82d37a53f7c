"""Compare the workspace's result with another on the same test strips: which sums were fixed, and which broke."""

from argparse import ArgumentParser

from digitsum.commands._arguments import RESULT
from digitsum.errors import InputError

EXAMPLE = "python -m digitsum compare HEAD~1"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("other", nargs="?", metavar="RESULT", help=f"{RESULT}; default: the champion")


def run(other: str | None) -> None:
    from digitsum.judging.compare import compare_results
    from digitsum.tracking.find import champion, find_result

    result = champion() if other is None else find_result(other)
    if result is None:
        raise InputError("no champion is registered; name a result to compare with, such as HEAD~1")
    print(compare_results(result))
