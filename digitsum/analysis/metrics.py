"""How good predicted sums are. Standard figures come from scikit-learn and SciPy."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Integer
from scipy.stats import binomtest
from sklearn.metrics import mean_absolute_error, precision_recall_fscore_support, precision_score, recall_score


def wilson(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share: Wilson, JASA 22 (1927)."""
    interval = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def summarise(
    sums: Integer[np.ndarray, " n"], log_probability: Float[np.ndarray, "n s"], touching: Bool[np.ndarray, " n"]
) -> dict[str, float]:
    """The headline figures; `touching` marks strips on which glyphs touch."""
    predicted = log_probability.argmax(axis=1)
    correct = predicted == sums
    low, high = wilson(int(correct.sum()), len(sums))
    return {
        "accuracy": float(correct.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        **_slice("touching", correct, touching),
        "mae": float(mean_absolute_error(sums, predicted)),
        "within_1": float((np.abs(predicted - sums) <= 1).mean()),
        "nll": float(-log_probability[np.arange(len(sums)), sums].mean(dtype=np.float64)),
        "macro_recall": float(recall_score(sums, predicted, labels=np.unique(sums), average="macro", zero_division=0)),
        "strips": len(sums),
    }


def against_truth(
    correct: Bool[np.ndarray, " n"],
    digits: Integer[np.ndarray, "n k"],
    centres: Integer[np.ndarray, "n k"],
    read: Integer[np.ndarray, "n k"] | None,
    read_centres: Integer[np.ndarray, "n k"] | None,
) -> dict[str, float]:
    """What can be said where the digits and their centres in pixels are known; `correct` marks sums that are right.

    Of what was `read`: the share of digits that are right, place by place; of strips all of whose digits are; of strips
    with the right digits that have them in the right order; and the mean distance of centres, in pixels.
    """
    in_order = np.sort(digits, axis=1)
    metrics = _slice("repeated", correct, (np.diff(in_order, axis=1) == 0).any(axis=1))
    if read is not None:
        found = (np.sort(read, axis=1) == in_order).all(axis=1)
        ordered = (read == digits).all(axis=1)
        metrics["digit_accuracy"] = float((read == digits).mean())
        metrics["reading_accuracy"] = float(ordered.mean())
        if found.any():
            metrics["order_accuracy"] = float(ordered[found].mean())
    if read_centres is not None:
        metrics["localisation_error"] = float(np.abs(read_centres.astype(float) - centres).mean())
    return metrics


def _slice(name: str, correct: Bool[np.ndarray, " n"], members: Bool[np.ndarray, " n"]) -> dict[str, float]:
    """How many strips are in a slice, and the share of them that is right, where there are any."""
    count = {f"strips_{name}": int(members.sum())}
    return count | ({f"accuracy_{name}": float(correct[members].mean())} if members.any() else {})


def calibration(probability: Float[np.ndarray, " n"], correct: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Mean stated probability against the share that was right, in bins of equally many strips."""
    order = np.argsort(probability, kind="stable")
    rows = [
        {"confidence": probability[part].mean(), "accuracy": correct[part].mean(), "strips": len(part)}
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return pd.DataFrame(rows).round(6)


def confusion_matrix(
    sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"], highest: int
) -> Int[np.ndarray, "s s"]:
    """How often each true sum (row) was predicted as each sum (column)."""
    matrix = np.zeros((highest + 1, highest + 1), np.int64)
    np.add.at(matrix, (sums, predicted), 1)
    return matrix


def per_sum(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"], highest: int) -> pd.DataFrame:
    """Precision, recall and support of every sum; NaN where there is nothing to divide by."""
    labels = np.arange(highest + 1)
    precision, recall, _, support = precision_recall_fscore_support(
        sums, predicted, labels=labels, zero_division=np.nan
    )
    return pd.DataFrame({"sum": labels, "support": support, "precision": precision, "recall": recall}).round(6)


def mistakes(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"]) -> dict[str, float]:
    """How many there are, how far off they are on average, and precision with every predicted sum counting alike."""
    wrong = predicted != sums
    size = np.abs(predicted - sums)[wrong].mean() if wrong.any() else 0.0
    precision = precision_score(sums, predicted, labels=np.unique(predicted), average="macro")
    return {"mistakes": int(wrong.sum()), "mistake_size": float(size), "macro_precision": float(precision)}


def signed_errors(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"]) -> pd.DataFrame:
    """How often each error, predicted minus true, was made; zero, being no error, is left out."""
    errors, strips = np.unique((predicted - sums)[predicted != sums], return_counts=True)
    return pd.DataFrame({"error": errors, "strips": strips})
