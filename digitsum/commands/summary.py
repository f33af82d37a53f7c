"""Summarize the result of the last run of the pipeline."""

from argparse import ArgumentParser

from digitsum import places
from digitsum.errors import InputError, one_line
from digitsum.formats import read_figures

EXAMPLE = "python -m digitsum summary"


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    try:
        metrics = read_figures(places.METRICS)
        names = ("accuracy", "accuracy_low", "accuracy_high", "strips")
        accuracy, low, high, strips = (metrics[name] for name in names)
    except (InputError, KeyError) as error:
        raise InputError(
            f"{places.METRICS}: no result to summarize ({one_line(error, 120)}); make run produces one"
        ) from error
    print(
        f"\naccuracy  {accuracy:.2%} of {strips:,} test sums right"
        f" (95% interval {low:.2%} to {high:.2%})"
        f"\nreport    {places.REPORT}, and {places.DATA_REPORT / 'quality.html'} for the data"
        "\ncompare   make ui; or change something: dvc exp run -S train.epochs=4, then dvc exp show"
    )
