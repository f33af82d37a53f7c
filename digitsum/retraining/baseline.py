"""The result that a retraining is compared with: the one that the main branch holds."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.comparison import Comparison, compare
from digitsum.errors import InputError
from digitsum.places import PREDICTIONS, TEST
from digitsum.tracking.find import file_of
from digitsum.tracking.results.dvc_files import flat
from digitsum.tracking.results.git import commit_of, git
from digitsum.tracking.results.occurrences import in_commit
from digitsum.tracking.results.result import Occurrence, Result

MAIN = "main"
COMPARED = ("sum", "predicted")  # columns of the predictions


def branch() -> str:
    """The one that is checked out; of a detached HEAD, as in CI, the one that BRANCH names, or none."""
    return git("branch", "--show-current").strip() or os.environ.get("BRANCH", "")


def base_commit() -> str:
    """Where the main branch stands at the origin, or without an origin HEAD."""
    for name in (f"refs/remotes/origin/{MAIN}", "HEAD"):
        if commit := commit_of(name):
            return commit
    raise InputError("HEAD: this repository has no commit; git commit makes one")


def base_result(commit: str) -> Occurrence | None:
    return in_commit(commit, None)


def changed_params(before: Result | None, params: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Of those that stages read, before and after; empty where one of them has none."""
    if before is None:
        return {}
    then, now = flat(before.params), flat({name: params[name] for name in params if name in before.params})
    return {
        name: (then.get(name, ""), now.get(name, ""))
        for name in sorted(then.keys() | now.keys())
        if then.get(name, "") != now.get(name, "")
    }


def paired(before: Result, after: Result) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Predictions of both on the same strips; None if those are others, or the predictions are not at hand."""
    if any(before.checksum(path) != after.checksum(path) for path in TEST):
        return None
    try:
        with file_of(after, PREDICTIONS) as new, file_of(before, PREDICTIONS) as old:
            pair = predictions.read(old, COMPARED), predictions.read(new, COMPARED)
        compare(*pair)
    except InputError:
        return None
    return pair


def comparison(pair: tuple[pd.DataFrame, pd.DataFrame] | None) -> Comparison | None:
    return compare(*pair) if pair else None


def moved_pairs(pair: tuple[pd.DataFrame, pd.DataFrame] | None, most: int = 12) -> list[tuple[int, int, int, int]]:
    """The confusions whose counts changed most: true sum, predicted sum, how often before and after."""
    if pair is None:
        return []
    counts = [table[table["sum"] != table["predicted"]].groupby(["sum", "predicted"]).size() for table in pair]
    both = pd.concat(counts, axis=1, keys=["before", "after"]).fillna(0).astype(int).reset_index()
    both["moved"] = (both["after"] - both["before"]).abs()
    largest = both[both["moved"] > 0].sort_values(["moved", "sum", "predicted"], ascending=[False, True, True])
    rows = largest.head(most)[["sum", "predicted", "before", "after"]].to_numpy(np.int64).tolist()
    return [(row[0], row[1], row[2], row[3]) for row in rows]
