"""Recipes compared by several seeds each: differences over the seeds and the strips that there could be.

The variance over seeds and strips is that of crossed random effects. It is the variance over strips of the seeds' mean,
plus what seeds add beyond their own strips' noise: two-way clustering of Cameron, Gelbach and Miller, J. Business &
Economic Statistics 29 (2011).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm
from scipy.stats import t as student

from digitsum.analysis.intervals import CONFIDENCE
from digitsum.analysis.sharing import Glyphs, effect_on_difference, paired_p

Right = Bool[np.ndarray, "_ n"]  # which of n strips each of s seeds has right


@dataclass(frozen=True)
class RecipeComparison:
    """Two recipes on the same n strips.

    `seeds` counts the seeds before and after, `before` and `after` are mean accuracies, and `low` and `high` the ends
    of the 95% interval of their difference. `spread` is the standard deviation of the accuracy from seed to seed; None
    where it is unknown. `p_value` is one-sided: it is small if the recipe after is better.
    """

    n: int
    seeds: tuple[int, int]
    before: float
    after: float
    low: float
    high: float
    spread: float | None
    p_value: float

    @property
    def gain(self) -> float:
        return self.after - self.before


def compare_seeds(before: Right, after: Right, glyphs: Glyphs, seed_sd: float = 0.0) -> RecipeComparison:
    """The test of two recipes, of which each has one seed or more.

    Args:
        seed_sd: standard deviation of the accuracy from seed to seed, which counts where neither recipe has two seeds.
    """
    sides, count = (before.astype(np.float64), after.astype(np.float64)), before.shape[1]
    means = [float(side.mean()) for side in sides]
    difference = sides[1].mean(axis=0) - sides[0].mean(axis=0)
    per_seed = 1 / len(before) + 1 / len(after)
    freedom = len(before) + len(after) - 2
    gain, by_strips = means[1] - means[0], _variance(difference, glyphs)
    if freedom == 0:
        # the difference of two single seeds has their strips' noise already
        by_seeds = per_seed * seed_sd**2
        variance, spread, freedom_of_all = max(by_strips, by_seeds), seed_sd or None, np.inf
        if by_seeds > by_strips:
            p_value = float(norm.sf(gain / np.sqrt(variance)))
        else:
            broken, fixed = float((difference < 0).sum()), float((difference > 0).sum())
            p_value = paired_p(broken, fixed, effect_on_difference(difference, glyphs), two_sided=False)
    else:
        deviations = [side - side.mean(axis=0) for side in sides]
        square = sum(float((own.mean(axis=1) ** 2).sum()) for own in deviations) / freedom
        noise = sum(_variance(seed, glyphs) for own in deviations for seed in own) / freedom
        added = per_seed * max(square - noise, 0)
        variance, spread = by_strips + added, float(np.sqrt(square))
        freedom_of_all = freedom * (variance / added) ** 2 if added else np.inf
        p_value = float(student.sf(gain / np.sqrt(variance), freedom_of_all)) if variance else 1.0
    reach = float(student.ppf((1 + CONFIDENCE) / 2, freedom_of_all) * np.sqrt(variance))
    return RecipeComparison(
        count, (len(before), len(after)), means[0], means[1], gain - reach, gain + reach, spread, p_value
    )


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation from seed to seed; NaN for a single seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def interval_over_seeds(
    values: Sequence[float], ends: Sequence[tuple[float, float]] | None
) -> tuple[float, float] | None:
    """The 95% interval of the mean of a figure over seeds and strips; None for a single seed without an interval.

    Args:
        values: of each seed.
        ends: the interval of each seed's value over strips; None where there is none.
    """
    mean = float(np.mean(values))
    if len(values) == 1:
        return ends[0] if ends else None
    reach = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * spread_of(values) / np.sqrt(len(values))
    low, high = np.mean(ends, axis=0) if ends else (mean, mean)
    return float(mean - np.hypot(mean - low, reach)), float(mean + np.hypot(high - mean, reach))


def _variance(values: Float[np.ndarray, " n"], glyphs: Glyphs) -> float:
    """The variance of the mean of values whose expectation is zero."""
    return float((values**2).sum()) * effect_on_difference(values, glyphs) / len(values) ** 2
