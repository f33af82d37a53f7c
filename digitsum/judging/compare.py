"""What changed since another result: sums that are right now, and sums that are no longer."""

from pathlib import Path

import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import Comparison, compare, compare_slices, flipped
from digitsum.analysis.comparison_page import render_comparison
from digitsum.analysis.slices import slices
from digitsum.errors import InputError
from digitsum.files import write_text
from digitsum.places import PREDICTIONS, PROCESSED, TEST
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.find import file_of, here
from digitsum.tracking.results.checksums import checksum
from digitsum.tracking.results.result import Result

PAGE = Path("reports/comparison.html")
NEEDED = ("strip", "sum", "predicted", "probability", "probability_of_sum")
SMALL = 0.05  # a p-value from which a slice is named


def compare_with(other: Result) -> str:
    """Writes the page and returns a summary.

    Raises:
        InputError: if the test data of the two are not the same, or the predictions are not to be had.
    """
    ours = here()
    for path in (*TEST, PREDICTIONS):
        if not path.is_file() or checksum(path) != ours.checksum(path):
            raise InputError(f"{path}: missing, or not what dvc.lock says; run dvc repro")
    for path in TEST:
        if other.checksum(path) != ours.checksum(path):
            raise InputError(
                f"{other.name}: judged on other test data ({path} differs); only results on the same can be compared"
            )
    if other.checksum(PREDICTIONS) == ours.checksum(PREDICTIONS):
        PAGE.unlink(missing_ok=True)
        return f"compared  with {other.name}: every prediction is the same"
    with file_of(other, PREDICTIONS) as file:
        before = predictions.read(file, NEEDED)
    after, test = predictions.read(PREDICTIONS), Strips.read(PROCESSED / "test")
    whole = compare(before, after)
    parts = slices(test.images, after, Description.read(PROCESSED / "dataset.json").digits)
    by_slice = compare_slices(before, after, parts)
    fixed, broken = flipped(before, after)
    write_text(PAGE, render_comparison(other.name, whole, by_slice, before[fixed], after[broken], test.images))
    return summary(other.name, whole, by_slice)


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
