"""How far a figure may be off because the test strips happen to be these; all intervals are of 95%.

Strips are taken for independent. Composed ones share glyphs, so these are intervals of other strips of the same glyphs.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import binomtest

CONFIDENCE = 0.95
RESAMPLES = 1000
AT_ONCE = 50  # bounds the memory

# from how often each of n strips counts, in each of r samples, to the figures of each sample
Figures = Callable[[Float[np.ndarray, "r n"]], Mapping[str, Float[np.ndarray, " r"]]]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The Wilson score interval of a share: Wilson, JASA 22 (1927)."""
    interval = binomtest(int(hits), int(count)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(figures: Figures, count: int, biased: Collection[str] = (), seed: int = 0) -> pd.DataFrame:
    """A row for each figure, with its value and the ends of its interval: Efron, Annals of Statistics 7 (1979).

    The ends are percentiles of resamples. A figure that noise moves upwards is `biased`: its resamples, which have the
    noise twice, are turned round its value (the basic interval). It ends at zero, and reaches the value at least.
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
