"""Search for better params: run each trial as a DVC experiment, and choose the best by validation."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from digitsum.errors import InputError

EXAMPLE = "python -m digitsum sweep sweeps/rates.yaml --hours 2"


def hours(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise ArgumentTypeError(f"{word} is not a number of hours, such as 2 or 0.5")
    return value


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="YAML with the params to choose and their ranges; see docs/sweeps.md"
    )
    parser.add_argument(
        "--hours", type=hours, help="begin no trial after so many hours; the current one ends; default: no limit"
    )


def run(file: Path, hours: float | None) -> None:
    from digitsum.commands._models import row_contents
    from digitsum.params.loader import read_params
    from digitsum.sweeping.space import Space
    from digitsum.sweeping.sweep import sweep
    from digitsum.tracking.rows.settings import SWITCH, switched_off

    if switched_off():
        raise InputError(f"{SWITCH}: is off, but trials are rows in MLflow; unset it")
    read_params()
    print(sweep(row_contents(), Space.read(file), hours))
