"""95% confidence intervals of metrics, over the choice of test strips.

They take strips for independent. Composed strips share glyphs, so the intervals hold for other strips of the same
glyphs.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import binomtest

CONFIDENCE = 0.95
RESAMPLES = 1000
AT_ONCE = 50  # resamples, which bounds the memory

# takes how often each of n strips counts in each of r samples, and returns each figure for each sample
Figures = Callable[[Float[np.ndarray, "r n"]], Mapping[str, Float[np.ndarray, " r"]]]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The Wilson score interval of the share `hits / count`: Wilson, JASA 22 (1927)."""
    interval = binomtest(int(hits), int(count)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(figures: Figures, count: int, biased: Collection[str] = (), seed: int = 0) -> pd.DataFrame:
    """A row for each figure: its value, and its bootstrap interval (Efron, Annals of Statistics 7, 1979).

    The interval ends at percentiles of the resamples. The figures in `biased` are biased upward by noise, which
    resamples have twice, so theirs is the basic interval: the percentiles are mirrored at the value. It is cut at zero
    and contains the value.
    """
    rng = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    value = pd.DataFrame(dict(figures(np.ones((1, count))))).iloc[0]
    resampled = pd.concat(
        pd.DataFrame(dict(figures(rng.multinomial(count, even, size=AT_ONCE).astype(float))))
        for _ in range(RESAMPLES // AT_ONCE)
    )
    tail = (1 - CONFIDENCE) / 2
    table = pd.DataFrame({"value": value, "low": resampled.quantile(tail), "high": resampled.quantile(1 - tail)})
    for name in biased:
        low, high = 2 * value[name] - table.loc[name, "high"], 2 * value[name] - table.loc[name, "low"]
        table.loc[name, ["low", "high"]] = max(min(low, value[name]), 0), max(high, value[name])
    return table.rename_axis("figure").reset_index()
