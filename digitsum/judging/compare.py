"""Compares two results on the same test strips: which sums were fixed and which broke, and what was changed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import (
    Comparison,
    compare_by_slice,
    compare_metrics,
    compare_predictions,
    flipped_strips,
)
from digitsum.analysis.comparison_page import Sides, render_comparison
from digitsum.analysis.matrix import FEW
from digitsum.analysis.metric_intervals import intervals
from digitsum.analysis.misread import compare_misread
from digitsum.analysis.pages import in_words
from digitsum.analysis.replicates import RecipeComparison
from digitsum.analysis.slices import slices
from digitsum.errors import InputError
from digitsum.files import write_text
from digitsum.formats import read_array, read_figures
from digitsum.judging.seeds import compare_recipes
from digitsum.places import EVALUATION, METRICS, PREDICTIONS, PROCESSED, TEST
from digitsum.strips.dataset import Description, Strips
from digitsum.tracking.find import file_of
from digitsum.tracking.results.changes import differences
from digitsum.tracking.results.result import Result
from digitsum.tracking.rows.origin import origin
from digitsum.tracking.rows.settings import switched_off
from digitsum.tracking.rows.store import Store, opened
from digitsum.tracking.rows.tags import RESULT

PAGE = Path("reports/comparison.html")
NEEDED = ("strip", "sum", "predicted", "probability", "probability_of_sum")  # columns of the predictions
SMALL = 0.05  # a p-value below it is hardly chance
WORST = 5  # slices in the summary
MISREAD = 3  # kinds of misread digits in the summary


def compare_results(before: Result, after: Result) -> str:
    """Writes the page, adds it to the row of `after` where MLflow has one, and returns a summary.

    Raises:
        InputError: if the test data of the two differ, or predictions are missing.
    """
    require_same_test_data(before, after)
    if before.checksum(PREDICTIONS) == after.checksum(PREDICTIONS):
        PAGE.unlink(missing_ok=True)
        return f"compared  {after.name} with {before.name}: every prediction is the same"
    old, new, test = predictions_of(before), predictions_of(after), test_strips(after)

    whole = compare_predictions(old, new)
    with file_of(after, PROCESSED / "dataset.json") as file:
        digits = Description.read(file).digits
    by_slice = compare_by_slice(old, new, slices(test.images, new, digits))
    misread = compare_misread(old, new)
    with ExitStack() as stack:
        then, now, figures = (
            file_if_any(side, path, stack)
            for side, path in ((before, METRICS), (after, METRICS), (after, EVALUATION / "figures.csv"))
        )
        metrics = read_figures(now) if now else {}
        ends = intervals(metrics, figures) if figures else {}
        by_metric = compare_metrics(read_figures(then) if then else {}, metrics, ends)
    fixed, broken = flipped_strips(old, new)

    recipes = None
    with store_if_any() as store:
        if store is not None:
            recipes = compare_recipes(store, before, after, (old, new))
        origins = {"before": origin(store, before), "now": origin(store, after)}
        sides = Sides(before.name, after.name, origins, differences(before, after))
        page = render_comparison(
            sides, whole, by_metric, by_slice, misread, old[fixed], new[broken], test.images, recipes
        )
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:  # or every summary would see a change
            write_text(PAGE, page)
        if store is not None:
            for row in store.runs({RESULT: after.key}):
                store.log_file(row.id, PAGE)
    return summary(before.name, after.name, whole, recipes, by_slice, misread)


def require_same_test_data(before: Result, after: Result) -> None:
    """
    Raises:
        InputError: if the test data of the two differ.
    """
    for path in TEST:
        if before.checksum(path) != after.checksum(path):
            raise InputError(
                f"{before.name}: evaluated on other test data than {after.name} ({path} differs); only results on the "
                "same test data can be compared"
            )


def predictions_of(result: Result) -> pd.DataFrame:
    with file_of(result, PREDICTIONS) as file:
        return predictions.read(file, NEEDED)


def test_strips(result: Result) -> Strips:
    with file_of(result, TEST[0]) as strips, file_of(result, TEST[1]) as sums:
        return Strips(np.array(read_array(strips)), np.array(read_array(sums)))


def file_if_any(result: Result, path: Path, stack: ExitStack) -> Path | None:
    """A file of a result until the stack is closed; None where it is gone."""
    with suppress(InputError):
        return stack.enter_context(file_of(result, path))
    return None


@contextmanager
def store_if_any() -> Iterator[Store | None]:
    """The MLflow store; None where tracking is off or the store cannot be used."""
    with ExitStack() as stack:
        store = None
        if not switched_off():
            with suppress(InputError):
                store = stack.enter_context(opened())
        yield store


def summary(
    before: str,
    after: str,
    whole: Comparison,
    recipes: RecipeComparison | None,
    by_slice: pd.DataFrame,
    misread: pd.DataFrame,
) -> str:
    chance = "hardly" if whole.p_value < SMALL else "may be"
    lines = [
        f"compared  {after} with {before}: {whole.before:.2%} before, {whole.after:.2%} now, of {whole.n:,} test sums",
        f"          {whole.fixed} fixed, {whole.broken} broken; McNemar {in_words(whole.p_value)} ({chance} chance)",
    ]
    if recipes is not None:
        lines.append(
            f"recipes   {recipes.before:.2%} before, {recipes.after:.2%} now, means of {recipes.seeds[0]} and "
            f"{recipes.seeds[1]} seeds; difference {100 * recipes.low:+.2f} to {100 * recipes.high:+.2f} points (95%)"
        )
    moved = misread[misread["before"] != misread["after"]].head(MISREAD)
    if len(moved):
        words = (f"{row['misread']}: {row['before']} -> {row['after']}" for _, row in moved.iterrows())
        lines.append(f"misread   {'; '.join(words)}")
    by_slice = by_slice[by_slice["n"] >= FEW].assign(change=by_slice["after"] - by_slice["before"])
    worst = by_slice[by_slice["change"] < 0].nsmallest(WORST, "change")
    for number, (_, row) in enumerate(worst.iterrows()):
        figures = f"{row['before']:.1%} -> {row['after']:.1%} of {row['n']:,}, {in_words(row['p_value'])}"
        lines.append(f"{'worse' if number == 0 else '':<9} {row['slice']}: {figures}")
    return "\n".join([*lines, f"page      {PAGE}"])
