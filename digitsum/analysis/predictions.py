"""The table of predictions: a row for each test strip with its truth, prediction, probabilities and readings."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Integer

from digitsum.errors import InputError
from digitsum.files import whole_file
from digitsum.formats import read_table

# digits, their centers in pixels, and glyphs, left to right: numbers with spaces between them; empty where unknown
NUMBERS = (
    *("read", "centres"),  # by the model
    *("read_given_sum", "centres_given_sum"),  # the likeliest reading that adds up to the true sum
    *("digits", "digit_centres", "glyphs"),  # the truth; glyphs by their numbers in the source
)
COLUMNS = ("strip", "sum", "predicted", "probability", "probability_of_sum", *NUMBERS)


def tabulate(
    sums: Integer[np.ndarray, " n"],
    log_probability: Float[np.ndarray, "n s"],
    numbers: Mapping[str, Integer[np.ndarray, "n k"] | None],
) -> pd.DataFrame:
    """The table of predictions; columns of NUMBERS that are missing in `numbers`, or None there, are unknown."""
    rows = np.arange(len(sums))
    probability = np.exp(log_probability.astype(np.float64))
    predicted = log_probability.argmax(axis=1)
    table = {
        "strip": rows,
        "sum": sums,
        "predicted": predicted,
        "probability": probability[rows, predicted].round(6),
        "probability_of_sum": probability[rows, sums].round(6),
        **{name: _spaced(numbers.get(name), len(rows)) for name in NUMBERS},
    }
    return pd.DataFrame(table, columns=list(COLUMNS))


def write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read(path: Path, columns: Collection[str] = COLUMNS) -> pd.DataFrame:
    """A table that `write` wrote. An older file must have `columns`; others of COLUMNS may be missing and are unknown.

    Raises:
        InputError: if the file is missing or is not a table of predictions.
    """
    table = read_table(path, columns, NUMBERS)
    for name in {"strip", "sum", "predicted"} & set(table.columns):
        if not pd.api.types.is_integer_dtype(table[name]) or not table[name].between(0, 10_000_000).all():
            raise InputError(f"{path}: the column {name} holds other things than whole numbers; run dvc repro evaluate")
    for name in {"probability", "probability_of_sum"} & set(table.columns):
        if not pd.api.types.is_numeric_dtype(table[name]) or not table[name].between(0, 1).all():
            raise InputError(f"{path}: the column {name} holds other things than probabilities; run dvc repro evaluate")
    for name in set(NUMBERS) & set(table.columns):
        if not table[name].str.fullmatch(r"(-?[0-9]{1,6}( -?[0-9]{1,6})*)?").all():
            raise InputError(f"{path}: the column {name} holds other things than numbers; run dvc repro evaluate")
    return table.reindex(columns=list(COLUMNS), fill_value="")


def numbers(table: pd.DataFrame, column: str) -> Int[np.ndarray, "n k"] | None:
    """A column of NUMBERS as an array; None where it is missing, or unknown for any strip."""
    if column not in table or (table[column] == "").any():
        return None
    return np.array(table[column].str.split().tolist(), np.int64).reshape(len(table), -1)


def _spaced(numbers: Integer[np.ndarray, "n k"] | None, count: int) -> list[str]:
    if numbers is None:
        return [""] * count
    return [" ".join(map(str, row)) for row in numbers.tolist()]
