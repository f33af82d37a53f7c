"""What changed from one result to another: strip by strip, and metric by metric."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from digitsum.analysis import predictions
from digitsum.analysis.metrics import BOUND, described
from digitsum.analysis.sharing import Glyphs, effect_on_difference, paired_p
from digitsum.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """Two models on the same n strips.

    `fixed` counts strips that were wrong before and are right after, `broken` those that were right before and are
    wrong after; `before` and `after` are accuracies. `p_value` is from McNemar's test (Psychometrika 12, 1947),
    two-sided with mid-p. `design_effect` is by how much the variance of fixed less broken strips is larger than for
    independent strips, and the test allows for it; it is 1 where the glyphs are unknown.
    """

    n: int
    fixed: int
    broken: int
    before: float
    after: float
    p_value: float
    design_effect: float = 1.0


@dataclass(frozen=True)
class MetricChange:
    """A metric before and after, in words; `before` and `change` are empty where the metric was not there before."""

    name: str
    label: str
    before: str
    after: str
    interval: str  # of the value after, where there is one
    change: str
    verdict: Literal["better", "worse", ""]
    headline: bool


def compare_metrics(
    before: Mapping[str, float], after: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
) -> list[MetricChange]:
    """Every metric of `after`, in its order, except the ends of intervals."""
    rows = []
    for name, value in after.items():
        if BOUND.search(name):
            continue
        metric, then = described(name), before.get(name)
        low, high = map(metric.text, intervals[name]) if name in intervals else ("", "")
        rows.append(
            MetricChange(
                name,
                metric.label,
                before="" if then is None else metric.text(then),
                after=metric.text(value),
                interval=f"{low} to {high}" if name in intervals else "",
                change="" if then is None else metric.change(then, value),
                verdict="" if then is None else metric.verdict(then, value),
                headline=metric.headline,
            )
        )
    return rows


def compare_predictions(before: pd.DataFrame, after: pd.DataFrame) -> Comparison:
    """The paired test of two tables of predictions.

    Raises:
        InputError: if the tables are of different strips.
    """
    return _paired_test(*_both_right(before, after), glyphs_of(before, after))


def compare_by_slice(
    before: pd.DataFrame, after: pd.DataFrame, slices: Mapping[str, Bool[np.ndarray, " n"]]
) -> pd.DataFrame:
    """A row for each slice that is not empty: its name as `slice`, and the fields of Comparison.

    Raises:
        InputError: if the tables are of different strips.
    """
    was, now = _both_right(before, after)
    glyphs = glyphs_of(before, after)
    rows = [
        {"slice": name} | asdict(_paired_test(was[part], now[part], None if glyphs is None else glyphs[part]))
        for name, part in slices.items()
        if part.any()
    ]
    return pd.DataFrame(rows, columns=["slice", *(field.name for field in fields(Comparison))])


def flipped_strips(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which strips were fixed, and which were broken.

    Raises:
        InputError: if the tables are of different strips.
    """
    was, now = _both_right(before, after)
    return ~was & now, was & ~now


def rights(tables: Sequence[pd.DataFrame]) -> Bool[np.ndarray, "s n"]:
    """Which strips each table of predictions has right.

    Raises:
        InputError: if the tables are of different strips.
    """
    first = tables[0]
    for other in tables[1:]:
        if not np.array_equal(first["sum"], other["sum"]):
            raise InputError(
                f"the predictions are of different strips ({len(first)} and {len(other)}); only results on the same "
                "test data can be compared"
            )
    return np.stack([(table["predicted"] == table["sum"]).to_numpy() for table in tables])


def _both_right(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    was, now = rights([before, after])
    return was, now


def glyphs_of(before: pd.DataFrame, after: pd.DataFrame) -> Glyphs:
    """The glyphs on the strips, if either table names them; an older version wrote none."""
    found = predictions.numbers(after, "glyphs")
    return predictions.numbers(before, "glyphs") if found is None else found


def _paired_test(was: Bool[np.ndarray, " n"], now: Bool[np.ndarray, " n"], glyphs: Glyphs) -> Comparison:
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    effect = effect_on_difference(now.astype(int) - was, glyphs)
    p_value = paired_p(fixed, broken, effect)
    return Comparison(len(was), fixed, broken, float(was.mean()), float(now.mean()), p_value, effect)
