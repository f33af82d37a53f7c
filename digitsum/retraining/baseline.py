"""The result that a retraining is compared with: the one on the main branch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import Comparison, compare_predictions
from digitsum.errors import InputError
from digitsum.places import PREDICTIONS, TEST
from digitsum.tracking.find import file_of
from digitsum.tracking.results import changes
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.git import commit_of
from digitsum.tracking.results.occurrences import in_commit
from digitsum.tracking.results.result import Occurrence, Result

MAIN = changes.MAIN
COMPARED = ("sum", "predicted")  # columns of the predictions


def base_commit() -> str:
    """The commit of the main branch at the origin, or HEAD where there is no origin."""
    for name in (f"refs/remotes/origin/{MAIN}", "HEAD"):
        if commit := commit_of(name):
            return commit
    raise InputError("HEAD: this repository has no commit; make one with git commit")


def base_result(commit: str) -> Occurrence | None:
    return in_commit(commit, None)


def changed_params(before: Result | None, params: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Params that stages read and that differ: before and after; an empty string where there was no such param."""
    if before is None:
        return {}
    then, now = flat(before.params), flat({name: params[name] for name in params if name in before.params})
    return changes.changed_params(then, now)


def paired(before: Result, after: Result) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Predictions of both on the same strips; None if the strips differ, or predictions are missing."""
    if any(before.checksum(path) != after.checksum(path) for path in TEST):
        return None
    try:
        with file_of(after, PREDICTIONS) as new, file_of(before, PREDICTIONS) as old:
            pair = predictions.read(old, COMPARED), predictions.read(new, COMPARED)
        compare_predictions(*pair)
    except InputError:
        return None
    return pair


def comparison(pair: tuple[pd.DataFrame, pd.DataFrame] | None) -> Comparison | None:
    return compare_predictions(*pair) if pair else None


def moved_pairs(pair: tuple[pd.DataFrame, pd.DataFrame] | None, most: int = 12) -> list[tuple[int, int, int, int]]:
    """The confusions whose counts changed most: true sum, predicted sum, count before, count after."""
    if pair is None:
        return []
    counts = [table[table["sum"] != table["predicted"]].groupby(["sum", "predicted"]).size() for table in pair]
    both = pd.concat(counts, axis=1, keys=["before", "after"]).fillna(0).astype(int).reset_index()
    both["moved"] = (both["after"] - both["before"]).abs()
    largest = both[both["moved"] > 0].sort_values(["moved", "sum", "predicted"], ascending=[False, True, True])
    rows = largest.head(most)[["sum", "predicted", "before", "after"]].to_numpy(np.int64).tolist()
    return [(row[0], row[1], row[2], row[3]) for row in rows]
