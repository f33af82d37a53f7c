"""Calibration: whether predicted probabilities equal accuracy, and how many strips they let a model answer."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from digitsum.analysis.sharing import Glyphs, share_interval

BINS = 10
WANTED = 0.995  # accuracy that `coverage` holds
POINTS = 200  # on the curve of risk against coverage


def bins(probability: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The bin of each strip: bins are ordered by probability, and all have equally many strips."""
    found = np.empty(len(probability), np.int64)
    found[np.argsort(probability, kind="stable")] = np.arange(len(probability)) * BINS // len(probability)
    return found


def reliability(
    probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], glyphs: Glyphs = None
) -> pd.DataFrame:
    """A row for each bin: mean predicted probability (`confidence`), and accuracy with its Wilson interval."""
    bin_of = bins(probability)
    table = pd.DataFrame({"bin": bin_of, "confidence": probability, "accuracy": correct})
    found = table.groupby("bin").agg({"confidence": "mean", "accuracy": ["mean", "size"]})
    found.columns = ["confidence", "accuracy", "strips"]
    parts = (bin_of == number for number in found.index)
    ends = [share_interval(correct[part], None if glyphs is None else glyphs[part]) for part in parts]
    found["low"], found["high"] = zip(*ends, strict=True)
    return found[["confidence", "accuracy", "low", "high", "strips"]].reset_index(drop=True)


def reliability_with_untempered(
    probability: Float[np.ndarray, " n"],
    log_untempered: Float[np.ndarray, " n"],
    correct: Bool[np.ndarray, " n"],
    glyphs: Glyphs = None,
) -> pd.DataFrame:
    """`reliability`, beside confidence and accuracy without temperature, in bins by the untempered probability."""
    before = reliability(np.exp(log_untempered), correct)[["confidence", "accuracy"]]
    return reliability(probability, correct, glyphs).join(before.add_prefix("untempered_"))


def calibration_error(
    probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], weights: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    """Mean distance of confidence from accuracy over bins of equally many strips: Naeini et al., AAAI 2015."""
    members = np.eye(BINS)[bins(probability)]
    gaps = weights @ (members * (probability - correct)[:, None])
    error: Float[np.ndarray, " r"] = np.abs(gaps).sum(axis=1) / weights.sum(axis=1)
    return error


def calibration_influence(
    probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """How the calibration error changes with the weight of each strip, up to a constant factor and summand."""
    bin_of, gaps = bins(probability), probability - correct
    influence: Float[np.ndarray, " n"] = np.sign(np.bincount(bin_of, weights=gaps))[bin_of] * gaps
    return influence


def coverage(
    probability: Float[np.ndarray, " n"],
    correct: Bool[np.ndarray, " n"],
    weights: Float[np.ndarray, "r n"],
    wanted: float = WANTED,
) -> Float[np.ndarray, " r"]:
    """The largest share of strips, surest first, on which the accuracy is at least `wanted`."""
    order = np.argsort(-probability, kind="stable")
    answered = weights[:, order].cumsum(axis=1)
    right = (weights[:, order] * correct[order]).cumsum(axis=1)
    enough = np.where(right >= wanted * answered, answered, 0)
    share: Float[np.ndarray, " r"] = enough.max(axis=1) / answered[:, -1]
    return share


def coverage_influence(
    probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], wanted: float = WANTED
) -> Float[np.ndarray, " n"]:
    """How the coverage changes with the weight of each strip, up to a constant factor: only answered strips count."""
    order = np.argsort(-probability, kind="stable")
    answered = round(coverage(probability, correct, np.ones((1, len(order))), wanted)[0] * len(order))
    influence = correct - wanted
    influence[order[answered:]] = 0
    return influence


def risk_by_coverage(probability: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"]) -> pd.DataFrame:
    """The share of wrong answers (`risk`) if the model answers only a share (`coverage`) of the strips, surest first.

    `probability` is the lowest among the answered strips. Source: El-Yaniv and Wiener, JMLR 11 (2010).
    """
    order = np.argsort(-probability, kind="stable")
    count = np.arange(1, len(order) + 1)
    risk = (~correct[order]).cumsum() / count
    table = pd.DataFrame({"coverage": count / len(order), "risk": risk, "probability": probability[order]})
    return table.iloc[np.unique(np.linspace(0, len(order) - 1, POINTS).round().astype(int))]
