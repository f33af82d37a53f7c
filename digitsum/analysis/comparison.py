"""What changed from one result to another: strip by strip, and metric by metric."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool
from scipy.stats import binomtest

from digitsum.analysis.metrics import BOUND, described
from digitsum.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """Two models on the same n strips.

    `fixed` counts strips that were wrong before and are right after, `broken` those that were right before and are
    wrong after; `before` and `after` are accuracies. `p_value` is from McNemar's test (Psychometrika 12, 1947), exact
    and two-sided, which takes strips for independent. Strips that share glyphs are not, so the true p-value is larger.
    """

    n: int
    fixed: int
    broken: int
    before: float
    after: float
    p_value: float


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
    return _paired_test(*_both_right(before, after))


def compare_by_slice(
    before: pd.DataFrame, after: pd.DataFrame, slices: Mapping[str, Bool[np.ndarray, " n"]]
) -> pd.DataFrame:
    """A row for each slice that is not empty: its name as `slice`, and the fields of Comparison.

    Raises:
        InputError: if the tables are of different strips.
    """
    was, now = _both_right(before, after)
    rows = [{"slice": name} | asdict(_paired_test(was[part], now[part])) for name, part in slices.items() if part.any()]
    return pd.DataFrame(rows, columns=["slice", "n", "before", "after", "fixed", "broken", "p_value"])


def flipped_strips(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which strips were fixed, and which were broken.

    Raises:
        InputError: if the tables are of different strips.
    """
    was, now = _both_right(before, after)
    return ~was & now, was & ~now


def _both_right(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    if not np.array_equal(before["sum"], after["sum"]):
        raise InputError(
            f"the predictions are of different strips ({len(before)} and {len(after)}); only results on the same test "
            "data can be compared"
        )
    was, now = ((table["predicted"] == table["sum"]).to_numpy() for table in (before, after))
    return was, now


def _paired_test(was: Bool[np.ndarray, " n"], now: Bool[np.ndarray, " n"]) -> Comparison:
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p_value = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return Comparison(len(was), fixed, broken, float(was.mean()), float(now.mean()), p_value)
