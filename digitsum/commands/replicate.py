"""Run the same params with several seeds, as DVC experiments, and record mean and noise of each metric as one row."""

from argparse import ArgumentParser, ArgumentTypeError

from digitsum.errors import InputError
from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum replicate HEAD --seeds 5"


def seeds(word: str) -> list[int] | int:
    """A number of seeds, or the seeds themselves with commas between."""
    if not all(part.isdecimal() for part in word.split(",")):
        raise ArgumentTypeError(f"{word} is neither a number of seeds nor a list of seeds such as 1,2,3")
    values = [int(part) for part in word.split(",")]
    if len(set(values)) < len(values):
        raise ArgumentTypeError(f"{word} has a seed twice; equal seeds give equal results")
    if len(values) == 1 and values[0] < 2:
        raise ArgumentTypeError(f"{word} seed has no noise to show; give 2 or more")
    return values if len(values) > 1 else values[0]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="RESULT", help=f"{NAMES}; default: params.yaml as it is")
    parser.add_argument(
        "--seeds", type=seeds, default=5, help="how many, or the seeds themselves, such as 1,2,3; default: %(default)s"
    )


def run(what: str | None, seeds: list[int] | int) -> None:
    from digitsum.commands._models import row_contents
    from digitsum.judging.replicate import replicate
    from digitsum.params.loader import read_params
    from digitsum.tracking.find import find_result
    from digitsum.tracking.rows.settings import SWITCH, switched_off

    if switched_off():
        raise InputError(f"{SWITCH}: is off, but the seeds of a recipe are rows in MLflow; unset it")
    read_params()
    print(replicate(row_contents(), None if what is None else find_result(what), seeds))
