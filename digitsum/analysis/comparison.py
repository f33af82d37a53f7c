"""What changed from one model to another, strip by strip."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool
from scipy.stats import binomtest

from digitsum.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """Two models on the same n strips.

    `fixed` were wrong before and are right after, `broken` the other way round; `before` and `after` are accuracies.
    `p_value` is that of McNemar's test (Psychometrika 12, 1947), exact and two-sided: how often two equally good models
    would differ as unevenly, if strips were independent. Strips that share glyphs are not, and differ so more often.
    """

    n: int
    fixed: int
    broken: int
    before: float
    after: float
    p_value: float


def compare(before: pd.DataFrame, after: pd.DataFrame) -> Comparison:
    """Two tables of predictions.

    Raises:
        InputError: if they are not of the same strips.
    """
    return _compare(*_both_right(before, after))


def compare_slices(
    before: pd.DataFrame, after: pd.DataFrame, slices: Mapping[str, Bool[np.ndarray, " n"]]
) -> pd.DataFrame:
    """A row for each slice that has strips: its name as `slice`, and the fields of Comparison.

    Raises:
        InputError: if the tables are not of the same strips.
    """
    was, now = _both_right(before, after)
    rows = [{"slice": name} | asdict(_compare(was[part], now[part])) for name, part in slices.items() if part.any()]
    return pd.DataFrame(rows, columns=["slice", "n", "before", "after", "fixed", "broken", "p_value"])


def flipped(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which strips were fixed, and which broken.

    Raises:
        InputError: if the tables are not of the same strips.
    """
    was, now = _both_right(before, after)
    return ~was & now, was & ~now


def _both_right(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    if not np.array_equal(before["sum"], after["sum"]):
        raise InputError(
            f"predictions of {len(before)} and of {len(after)} strips that are not the same; "
            "only results on the same test data can be compared"
        )
    was, now = ((table["predicted"] == table["sum"]).to_numpy() for table in (before, after))
    return was, now


def _compare(was: Bool[np.ndarray, " n"], now: Bool[np.ndarray, " n"]) -> Comparison:
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p_value = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return Comparison(len(was), fixed, broken, float(was.mean()), float(now.mean()), p_value)
