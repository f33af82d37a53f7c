"""How good predicted sums are. Standard figures come from scikit-learn and SciPy."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Integer
from scipy.stats import binomtest
from sklearn.metrics import mean_absolute_error, precision_recall_fscore_support, recall_score


def wilson(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share: Wilson, JASA 22 (1927)."""
    interval = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def summarise(
    sums: Integer[np.ndarray, " n"],
    log_probability: Float[np.ndarray, "n s"],
    read: Integer[np.ndarray, "n k"] | None,
    digits: Integer[np.ndarray, "n k"] | None,
) -> dict[str, float]:
    """The headline figures; `digit_accuracy`, place by place, only where digits were read and are known."""
    predicted = log_probability.argmax(axis=1)
    hits = int((predicted == sums).sum())
    low, high = wilson(hits, len(sums))
    metrics = {
        "accuracy": hits / len(sums),
        "accuracy_low": low,
        "accuracy_high": high,
        "mae": float(mean_absolute_error(sums, predicted)),
        "within_1": float((np.abs(predicted - sums) <= 1).mean()),
        "nll": float(-log_probability[np.arange(len(sums)), sums].mean(dtype=np.float64)),
        "macro_recall": float(recall_score(sums, predicted, labels=np.unique(sums), average="macro", zero_division=0)),
        "strips": len(sums),
    }
    if read is not None and digits is not None:
        metrics["digit_accuracy"] = float((read == digits).mean())
    return {name: round(value, 6) for name, value in metrics.items()}


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


def signed_errors(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"]) -> pd.DataFrame:
    """How often each error, predicted minus true, was made; zero, being no error, is left out."""
    errors, strips = np.unique((predicted - sums)[predicted != sums], return_counts=True)
    return pd.DataFrame({"error": errors, "strips": strips})
