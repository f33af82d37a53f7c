"""Make the previous champion the champion again."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum rollback"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    from digitsum.judging.promotion import rollback
    from digitsum.tracking.rows.store import opened

    with opened() as store:
        print(rollback(store))
