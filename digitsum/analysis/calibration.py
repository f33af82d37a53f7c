"""Whether stated probabilities are true, and what they are good for."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from digitsum.analysis.intervals import wilson

BINS = 10
WANTED = 0.995  # accuracy
POINTS = 200  # of the curve


def bins(probability: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The bin of each strip: equally many strips in each, ordered by probability."""
    found = np.empty(len(probability), np.int64)
    found[np.argsort(probability, kind="stable")] = np.arange(len(probability)) * BINS // len(probability)
    return found


def reliability(probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"]) -> pd.DataFrame:
    """Mean stated probability (`confidence`) against the share that was right, with its Wilson interval, bin by bin."""
    table = pd.DataFrame({"bin": bins(probability), "confidence": probability, "accuracy": correct})
    found = table.groupby("bin").agg({"confidence": "mean", "accuracy": ["mean", "sum", "size"]})
    found.columns = ["confidence", "accuracy", "right", "strips"]
    ends = [wilson(right, strips) for right, strips in zip(found["right"], found["strips"], strict=True)]
    found["low"], found["high"] = zip(*ends, strict=True)
    return found[["confidence", "accuracy", "low", "high", "strips"]].reset_index(drop=True)


def calibration_error(
    probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], weights: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    """Mean distance of confidence and accuracy over the bins: Naeini et al., AAAI 2015, with equal masses."""
    members = np.eye(BINS)[bins(probability)]
    gaps = weights @ (members * (probability - correct)[:, None])
    error: Float[np.ndarray, " r"] = np.abs(gaps).sum(axis=1) / weights.sum(axis=1)
    return error


def coverage(
    probability: Float[np.ndarray, " n"],
    correct: Bool[np.ndarray, " n"],
    weights: Float[np.ndarray, "r n"],
    wanted: float = WANTED,
) -> Float[np.ndarray, " r"]:
    """The largest share of strips, surest first, of which at least `wanted` are right."""
    order = np.argsort(-probability, kind="stable")
    answered = weights[:, order].cumsum(axis=1)
    right = (weights[:, order] * correct[order]).cumsum(axis=1)
    enough = np.where(right >= wanted * answered, answered, 0)
    share: Float[np.ndarray, " r"] = enough.max(axis=1) / answered[:, -1]
    return share


def risk_by_coverage(probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"]) -> pd.DataFrame:
    """If only the surest were answered: the `risk`, which is the share that is wrong, by the share answered.

    `probability` is the least of those that are answered. Source: El-Yaniv, Wiener, JMLR 11 (2010).
    """
    order = np.argsort(-probability, kind="stable")
    count = np.arange(1, len(order) + 1)
    risk = (~correct[order]).cumsum() / count
    table = pd.DataFrame({"coverage": count / len(order), "risk": risk, "probability": probability[order]})
    return table.iloc[np.unique(np.linspace(0, len(order) - 1, POINTS).round().astype(int))]
