"""Show where a result comes from: its data, code, params and stages, and the commands that bring it back."""

from argparse import ArgumentParser

from digitsum.tracking import NAMES

EXAMPLE = "python -m digitsum trace models/model.safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("what", nargs="?", metavar="RESULT", help=NAMES)
    either.add_argument(
        "--data", metavar="CHECKSUM", help="list the results that have data or a model with this checksum of dvc.lock"
    )


def run(what: str | None, data: str | None) -> None:
    from digitsum.tracking.find import find_row
    from digitsum.tracking.rows.store import opened
    from digitsum.tracking.trace import account, users_of

    with opened() as store:
        if data is not None:
            print(users_of(store, data))
        elif what is not None:
            print(account(store, find_row(store, what)))
