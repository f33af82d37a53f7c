"""The results of one recipe with several seeds: what they predict, and the mean and noise of every figure."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import glyphs_of, rights
from digitsum.analysis.metric_intervals import intervals
from digitsum.analysis.metrics import BOUND, METRICS
from digitsum.analysis.replicates import RecipeComparison, compare_seeds, interval_over_seeds, spread_of
from digitsum.errors import InputError
from digitsum.places import EVALUATION, PREDICTIONS, TEST
from digitsum.tracking.find import file_of, result_of
from digitsum.tracking.results.result import Result
from digitsum.tracking.rows.run import Run
from digitsum.tracking.rows.store import Store
from digitsum.tracking.rows.sweeps import ran_in_sweep
from digitsum.tracking.rows.tags import RECIPE

SEED = "train.seed"
COMPARED = ("sum", "predicted")  # columns of the predictions


def seed_of(result: Result) -> str:
    return str(result.params.get("train", {}).get("seed", ""))


def rows_by_seed(store: Store, recipe: str) -> dict[str, Run]:
    """The finished rows of a recipe, one for each seed, in the order of the seeds; without what sweeps ran."""
    return _by_seed(row for row in store.runs({RECIPE: recipe}) if not ran_in_sweep(row))


def rows_of_sweeps(store: Store, recipe: str) -> dict[str, Run]:
    """The same for what sweeps ran. A sweep prefers lucky results, so they are no evidence for a recipe."""
    return _by_seed(row for row in store.runs({RECIPE: recipe}) if ran_in_sweep(row))


def _by_seed(rows: Iterable[Run]) -> dict[str, Run]:
    found = {row.params.get(SEED, ""): row for row in rows if row.status == "FINISHED"}
    return {seed: found[seed] for seed in sorted(found, key=lambda seed: int(seed) if seed.isdecimal() else -1)}


def other_seeds(store: Store, result: Result, like: Result) -> list[pd.DataFrame]:
    """Predictions by results of the same recipe with other seeds, for the test strips of `like`, if they are kept."""
    found = []
    for seed, row in rows_by_seed(store, result.recipe).items():
        with suppress(InputError):
            other = result_of(store, row)
            if seed != seed_of(result) and all(other.checksum(path) == like.checksum(path) for path in TEST):
                with file_of(other, PREDICTIONS) as file:
                    found.append(predictions.read(file, COMPARED))
    return found


def compare_recipes(
    store: Store, before: Result, after: Result, pair: tuple[pd.DataFrame, pd.DataFrame]
) -> RecipeComparison | None:
    """The recipes of two results on the same strips, given the results' predictions; None if both have one seed."""
    if before.recipe == after.recipe:
        return None
    others = [other_seeds(store, side, after) for side in (before, after)]
    if not any(others):
        return None
    was, now = (rights([own, *more]) for own, more in zip(pair, others, strict=True))
    return compare_seeds(was, now, glyphs_of(*pair))


def figures_over_seeds(store: Store, rows: Sequence[Run]) -> dict[str, float]:
    """The mean of every figure over results of one recipe; with `_sd` behind the name its standard deviation, and with
    `_low` and `_high` the ends of its 95% interval over seeds and strips, as far as they are known."""
    ends = [_intervals(store, row) for row in rows]
    found: dict[str, float] = {}
    for name in METRICS:
        if BOUND.search(name) or any(name not in row.metrics for row in rows):
            continue
        values = [row.metrics[name] for row in rows]
        found[name], found[f"{name}_sd"] = sum(values) / len(values), spread_of(values)
        own = [end[name] for end in ends if name in end]
        low, high = interval_over_seeds(values, own if len(own) == len(rows) else None) or (None, None)
        if low is not None and high is not None:
            found |= {f"{name}_low": low, f"{name}_high": high}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _intervals(store: Store, row: Run) -> Mapping[str, tuple[float, float]]:
    with suppress(InputError), file_of(result_of(store, row), EVALUATION / "figures.csv") as file:
        return intervals(row.metrics, file)
    return {}
