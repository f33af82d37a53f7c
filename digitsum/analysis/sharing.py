"""Strips that share glyphs are not independent: how much more their figures vary, and the intervals and tests for that.

The design effect is the variance of a mean over strips in multiples of its variance for independent strips (Kish,
Survey Sampling, 1965). It is estimated from all pairs of strips with a glyph in common, whatever their correlation:
Cameron, Gelbach and Miller, J. Business & Economic Statistics 29 (2011); Aronow, Samii and Assenova, Political Analysis
23 (2015). Where the glyphs are unknown, strips are taken for independent, and it is 1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped
from scipy.special import betainc
from scipy.stats import t as student

from digitsum.analysis.intervals import CONFIDENCE, wilson

PRIOR = 1.0  # strips' worth of belief that only glyphs decide; it counts where few strips are wrong

Glyphs = Integer[np.ndarray, "n k"] | None  # the id of each glyph on each strip


@dataclass(frozen=True)
class _Pairs:
    """Sums over the pairs of strips that share glyphs; a pair counts once for each glyph that it shares.

    `products` is the sum of the products of two scores, `number` that of ones. `contributing` is the effective number
    of glyphs in the variance.
    """

    products: float
    number: float
    contributing: float

    @classmethod
    def of(cls, scores: Float[np.ndarray, " n"], glyphs: Integer[np.ndarray, "n k"]) -> "_Pairs":
        """From the sums over each glyph's strips, less every strip's pairs with itself."""
        count, digits = glyphs.shape
        ids = glyphs.ravel()
        strips = np.bincount(ids).astype(np.float64)
        sums = np.bincount(ids, weights=np.repeat(scores, digits))
        in_order = np.sort(glyphs, axis=1)
        repeats = sum((in_order[:, step:] == in_order[:, :-step]).sum(axis=1) for step in range(1, digits))
        itself = digits + 2.0 * np.broadcast_to(repeats, count)
        squares = sums**2
        fourth = float((squares**2).sum())
        return cls(
            float(squares.sum() - (itself * scores**2).sum()),
            float((strips**2).sum() - itself.sum()),
            float(squares.sum()) ** 2 / fourth if fourth else 0.0,
        )


def design_effect(scores: Shaped[np.ndarray, " n"], glyphs: Glyphs) -> float:
    """The design effect on the mean of the scores, at least 1; for intervals.

    Few strips differ from the others where a model is good, and glyphs that are hard may be missing by chance. So the
    estimate is drawn toward that of scores which glyphs alone decide, as if PRIOR more strips showed that. The variance
    is estimated from few glyphs, so Student's quantile takes the place of the normal one, with Satterthwaite's degrees
    of freedom (Biometrics Bulletin 2, 1946) as in Korn and Graubard, Survey Methodology 24 (1998).
    """
    if glyphs is None or not len(scores):
        return 1.0
    count, digits = glyphs.shape
    away = scores.astype(np.float64) - scores.mean(dtype=np.float64)
    square = float((away**2).sum())
    pairs = _Pairs.of(away, glyphs)
    most = pairs.number / (digits * count)  # what glyphs add if they alone decide
    if square == 0:
        return float(min(1 + most, count))
    # the mean is taken from the same strips, which makes the products smaller
    added = (1 + pairs.products / square) / (1 - min(pairs.number / count**2, 0.5)) - 1
    differing = square**2 / float((away**4).sum())
    effect = 1 + (differing * max(added, 0) + PRIOR * most) / (differing + PRIOR)
    tail = (1 + CONFIDENCE) / 2
    wider = student.ppf(tail, 3 * pairs.contributing) / student.ppf(tail, np.inf)
    return float(min(effect * wider**2, count))


def effect_on_difference(differences: Shaped[np.ndarray, " n"], glyphs: Glyphs) -> float:
    """The design effect on the sum of the differences, at least 1, if its expectation is zero; for tests."""
    square = float((differences.astype(np.float64) ** 2).sum())
    if glyphs is None or square == 0:
        return 1.0
    return max(1 + _Pairs.of(differences.astype(np.float64), glyphs).products / square, 1.0)


def share_interval(right: Bool[np.ndarray, " n"], glyphs: Glyphs) -> tuple[float, float]:
    """The Wilson interval of the share that is right, of as many independent strips as these are worth.

    Franco et al., J. Survey Statistics and Methodology 7 (2019), compare it with others.
    """
    effect = design_effect(right, glyphs)
    return wilson(right.sum() / effect, len(right) / effect)


def paired_p(fixed: float, broken: float, effect: float, two_sided: bool = True) -> float:
    """McNemar's test with mid-p (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13, 2013).

    Counts are divided by the design effect, so they need not be whole. The one-sided test asks whether more strips
    broke than were fixed.
    """
    fewer, more = sorted((fixed / effect, broken / effect)) if two_sided else (fixed / effect, broken / effect)
    if fewer + more == 0:
        return 1.0
    # P(at most `fewer` of the flips) and P(fewer than that), if either way is equally likely
    at_most = betainc(more, fewer + 1, 0.5) if more > 0 else 1.0
    below = betainc(more + 1, fewer, 0.5) if fewer > 0 else 0.0
    return float(min((at_most + below) / 2 * (2 if two_sided else 1), 1.0))
