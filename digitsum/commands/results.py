"""List the newest results: accuracy and interval of each, and the params that changed."""

from argparse import ArgumentParser

from digitsum.commands._arguments import positive

EXAMPLE = "python -m digitsum results --last 5"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--last", type=positive, default=10, help="how many results; default: %(default)s")


def run(last: int) -> None:
    from digitsum.tracking.overview import overview
    from digitsum.tracking.rows.store import opened

    with opened() as store:
        print(overview(store, last))
