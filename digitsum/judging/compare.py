"""Compares the workspace's result with another on the same test strips: which sums were fixed, and which broke."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import (
    Comparison,
    compare_by_slice,
    compare_metrics,
    compare_predictions,
    flipped_strips,
)
from digitsum.analysis.comparison_page import render_comparison
from digitsum.analysis.metrics import intervals
from digitsum.analysis.slices import slices
from digitsum.errors import InputError
from digitsum.files import write_text
from digitsum.formats import read_figures
from digitsum.places import EVALUATION, METRICS, PREDICTIONS, PROCESSED, TEST
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.find import file_of, here
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.result import Result

PAGE = Path("reports/comparison.html")
NEEDED = ("strip", "sum", "predicted", "probability", "probability_of_sum")  # columns of the predictions
SMALL = 0.05  # p-values below it name a slice in the summary


def compare_results(other: Result) -> str:
    """Writes the page and returns a summary.

    Raises:
        InputError: if the test data of the two differ, or predictions are missing.
    """
    ours = here()
    require_same_test_data(ours, other)
    if other.checksum(PREDICTIONS) == ours.checksum(PREDICTIONS):
        PAGE.unlink(missing_ok=True)
        return f"compared  with {other.name}: every prediction is the same"
    with file_of(other, PREDICTIONS) as file:
        before = predictions.read(file, NEEDED)
    after, test = predictions.read(PREDICTIONS), Strips.read(PROCESSED / "test")

    whole = compare_predictions(before, after)
    parts = slices(test.images, after, Description.read(PROCESSED / "dataset.json").digits)
    by_slice = compare_by_slice(before, after, parts)
    metrics = read_figures(METRICS)
    by_metric = compare_metrics(metrics_of(other), metrics, intervals(metrics, EVALUATION / "figures.csv"))
    fixed, broken = flipped_strips(before, after)

    page = render_comparison(other.name, whole, by_metric, by_slice, before[fixed], after[broken], test.images)
    write_text(PAGE, page)
    return summary(other.name, whole, by_slice)


def require_same_test_data(ours: Result, other: Result) -> None:
    """
    Raises:
        InputError: if the workspace lacks a file of its result, or the test data of the two differ.
    """
    for path in (*TEST, PREDICTIONS, METRICS):
        if not path.is_file() or checksum(path) != ours.checksum(path):
            raise InputError(f"{path}: missing, or not the file that dvc.lock names; run dvc repro")
    for path in TEST:
        if other.checksum(path) != ours.checksum(path):
            raise InputError(
                f"{other.name}: evaluated on other test data ({path} differs); only results on the same test data can "
                "be compared"
            )


def metrics_of(other: Result) -> Mapping[str, float]:
    """Those that evaluate wrote; none where the file is gone."""
    with suppress(InputError), file_of(other, METRICS) as file:
        return read_figures(file)
    return {}


def summary(name: str, whole: Comparison, by_slice: pd.DataFrame) -> str:
    lines = [
        f"compared  with {name}: {whole.before:.2%} before, {whole.after:.2%} now, of {whole.n:,} test sums",
        f"          {whole.fixed} fixed, {whole.broken} broken; McNemar p = {whole.p_value:.2g}"
        f" ({'hardly' if whole.p_value < SMALL else 'may be'} chance); see {PAGE}",
    ]
    changed = by_slice[by_slice["p_value"] < SMALL]
    lines += [
        f"          {row['slice']}: {row['fixed']} fixed, {row['broken']} broken (p = {row['p_value']:.2g})"
        for _, row in changed.iterrows()
    ]
    return "\n".join(lines)
