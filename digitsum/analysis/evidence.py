"""What metrics are computed from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Integer

from digitsum.analysis.sharing import Glyphs


@dataclass(frozen=True)
class Evidence:
    """What a model predicted for n strips, and what is known about them.

    `log_probability` is of each of s sums; `untempered` is the same without the model's `temperature`. `touching` marks
    strips whose glyphs touch. True digits, read digits, their centers in pixels, and the numbers of the glyphs are None
    where they are unknown.
    """

    sums: Integer[np.ndarray, " n"]
    log_probability: Float[np.ndarray, "n s"]
    untempered: Float[np.ndarray, "n s"]
    temperature: float
    touching: Bool[np.ndarray, " n"]
    digits: Integer[np.ndarray, "n k"] | None = None
    centres: Integer[np.ndarray, "n k"] | None = None
    read: Integer[np.ndarray, "n k"] | None = None
    read_centres: Integer[np.ndarray, "n k"] | None = None
    glyphs: Glyphs = None

    @cached_property
    def probability(self) -> Float[np.ndarray, "n s"]:
        probability: Float[np.ndarray, "n s"] = np.exp(self.log_probability.astype(np.float64))
        return probability

    @cached_property
    def true_sum(self) -> Bool[np.ndarray, "n s"]:
        """The sums, one-hot."""
        one_hot: Bool[np.ndarray, "n s"] = np.arange(self.log_probability.shape[1]) == self.sums[:, None]
        return one_hot

    @cached_property
    def error(self) -> Integer[np.ndarray, " n"]:
        error: Integer[np.ndarray, " n"] = np.abs(self.log_probability.argmax(axis=1) - self.sums)
        return error

    @property
    def correct(self) -> Bool[np.ndarray, " n"]:
        correct: Bool[np.ndarray, " n"] = self.error == 0
        return correct

    @cached_property
    def confidence(self) -> Float[np.ndarray, " n"]:
        """The probability of the predicted sum."""
        confidence: Float[np.ndarray, " n"] = np.exp(self.log_probability.max(axis=1).astype(np.float64))
        return confidence

    @property
    def repeated(self) -> Bool[np.ndarray, " n"] | None:
        """Which strips have a digit twice."""
        return None if self.digits is None else (np.diff(np.sort(self.digits, axis=1), axis=1) == 0).any(axis=1)
