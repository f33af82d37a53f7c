"""95% confidence intervals of metrics for independent strips; `digitsum.analysis.sharing` allows for shared glyphs."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

CONFIDENCE = 0.95
RESAMPLES = 1000
AT_ONCE = 50  # resamples, which bounds the memory

# takes how often each of n strips counts in each of r samples, and returns each figure for each sample
Figures = Callable[[Float[np.ndarray, "r n"]], Mapping[str, Float[np.ndarray, " r"]]]


def wilson(hits: float, count: float) -> tuple[float, float]:
    """The Wilson score interval of the share `hits / count`: Wilson, JASA 22 (1927). Counts need not be whole."""
    share, z = hits / count, float(norm.ppf((1 + CONFIDENCE) / 2))
    middle, reach = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = (end / (1 + z**2 / count) for end in (middle - reach, middle + reach))
    return float(max(low, 0) if hits > 0 else 0), float(min(high, 1) if hits < count else 1)


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
