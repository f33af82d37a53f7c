"""The confusion matrix of sums, and what follows from it. Standard metrics come from scikit-learn."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Int, Integer
from sklearn.metrics import precision_score

from digitsum.analysis.sharing import Glyphs, share_interval

FEW = 20  # strips; with fewer, the interval of a share is too wide to be useful


def confusion_matrix(
    sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"], highest: int
) -> Int[np.ndarray, "s s"]:
    """How often each true sum (row) was predicted as each sum (column)."""
    matrix = np.zeros((highest + 1, highest + 1), np.int64)
    np.add.at(matrix, (sums, predicted), 1)
    return matrix


def pooled(support: Int[np.ndarray, " s"]) -> list[range]:
    """All sums in order, in groups of neighbors with at least FEW strips each."""
    groups: list[range] = []
    start = 0
    for end in range(1, len(support) + 1):
        if support[start:end].sum() >= FEW:
            groups.append(range(start, end))
            start = end
    if start < len(support):
        start = groups.pop().start if groups else 0
        groups.append(range(start, len(support)))
    return groups


def per_sum(
    sums: Integer[np.ndarray, " n"],
    predicted: Integer[np.ndarray, " n"],
    groups: Iterable[range],
    glyphs: Glyphs = None,
) -> pd.DataFrame:
    """Support, precision, recall and F1 of each group of sums, with Wilson intervals; NaN where a denominator is zero.

    A strip of a group is right if its own sum was predicted. F1 is 2j / (1 + j), where j (Jaccard's index) is the share
    of right strips among those that have or were predicted a sum of the group; its interval follows from that of j.
    """
    rows = []
    for group in groups:
        there, found = (np.isin(labels, group) for labels in (sums, predicted))
        row: dict[str, float] = {"lowest": group[0], "highest": group[-1], "support": int(there.sum())}
        for name, members in (("precision", found), ("recall", there), ("f1", there | found)):
            right = (sums == predicted)[members]
            ends = (np.nan, np.nan)
            if len(right):
                ends = share_interval(right, None if glyphs is None else glyphs[members])
            figures = np.array([right.mean() if len(right) else np.nan, *ends])
            if name == "f1":
                figures = 2 * figures / (1 + figures)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), figures.tolist(), strict=True))
        rows.append(row)
    return pd.DataFrame(rows).round(6)


def pairs(matrix: Int[np.ndarray, "s s"]) -> pd.DataFrame:
    """Every pair of a true and a wrong predicted sum, most frequent first; `share` is of the true sum's strips."""
    sums, predicted = np.nonzero(matrix - np.diag(matrix.diagonal()))
    strips = matrix[sums, predicted]
    table = pd.DataFrame({"sum": sums, "predicted": predicted, "strips": strips, "share": strips / matrix.sum(1)[sums]})
    return table.sort_values(["strips", "share"], ascending=False, kind="stable", ignore_index=True).round(6)


def mistakes(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"]) -> dict[str, float]:
    """The number of mistakes, their mean absolute error, and macro precision over the sums that were predicted."""
    wrong = predicted != sums
    size = np.abs(predicted - sums)[wrong].mean() if wrong.any() else 0.0
    precision = precision_score(sums, predicted, labels=np.unique(predicted), average="macro")
    return {"mistakes": int(wrong.sum()), "mistake_size": float(size), "macro_precision": float(precision)}


def signed_errors(sums: Integer[np.ndarray, " n"], predicted: Integer[np.ndarray, " n"]) -> pd.DataFrame:
    """How often each error occurs, which is the predicted minus the true sum; zero is left out."""
    errors, strips = np.unique((predicted - sums)[predicted != sums], return_counts=True)
    return pd.DataFrame({"error": errors, "strips": strips})
