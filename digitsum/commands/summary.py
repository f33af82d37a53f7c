"""Summarize the result of the last run of the pipeline."""

import json
from argparse import ArgumentParser

from digitsum import places
from digitsum.errors import InputError, one_line

EXAMPLE = "python -m digitsum summary"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    try:
        metrics = json.loads(places.METRICS.read_text())
        accuracy, low, high = (metrics[name] for name in ("accuracy", "accuracy_low", "accuracy_high"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{places.METRICS}: no result to summarize ({one_line(error, 120)}); make run produces one"
        ) from error
    report = f"{places.REPORT}, and {places.DATA_REPORT / 'quality.html'} for the data"
    if not places.REPORT.exists():
        print("\nNothing has run in this clone; this is the result that its commit records.", end="")
        report = "not here; make run produces it, and dvc pull fetches it from a remote"
    print(
        f"\naccuracy  {accuracy:.2%} of {metrics['strips']:,} test sums right"
        f" (95% interval {low:.2%} to {high:.2%})"
        f"\nreport    {report}"
        "\ncompare   make ui; or change something: dvc exp run -S train.epochs=4, then dvc exp show"
    )
