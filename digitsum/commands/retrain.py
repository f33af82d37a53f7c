"""Retrain from end to end: pull, run what changed, push, record, judge, promote on main, and write a comment."""

from argparse import ArgumentParser

EXAMPLE = "python -m digitsum retrain --local --set 'train.epochs=4 train.seed=2'"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--set", dest="changes", metavar="CHANGES", default="", help="change params, as in 'train.epochs=4'"
    )
    parser.add_argument("--force", action="store_true", help="run every stage, changed or not")
    parser.add_argument("--read-only", action="store_true", help="push nothing to the DVC remote and promote nothing")
    parser.add_argument("--local", action="store_true", help="use no DVC remote and promote nothing")


def run(changes: str, force: bool, read_only: bool, local: bool) -> None:
    from digitsum.commands._models import row_contents
    from digitsum.places import REPORT
    from digitsum.retraining.retrain import COMMENT, Options, retrain

    verdict = retrain(row_contents(), Options(changes, force, read_only, local))
    print(f"\n{verdict}\n\nreport    {REPORT}\ncomment   {COMMENT}")
