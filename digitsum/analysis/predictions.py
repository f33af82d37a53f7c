"""One row for each test strip: the truth, the prediction, how sure it was, and what was read where."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Integer

from digitsum.errors import InputError
from digitsum.files import whole_file

# several numbers in one field, with spaces; empty if unknown: digits and their centres in pixels, left to right
NUMBERS = (
    *("read", "centres"),  # by the model
    *("read_given_sum", "centres_given_sum"),  # the likeliest reading that adds up to the true sum
    *("digits", "digit_centres"),  # in truth
)
COLUMNS = ("strip", "sum", "predicted", "probability", "probability_of_sum", *NUMBERS)


def tabulate(
    sums: Integer[np.ndarray, " n"],
    log_probability: Float[np.ndarray, "n s"],
    numbers: Mapping[str, Integer[np.ndarray, "n k"] | None],
) -> pd.DataFrame:
    """`numbers` are columns of NUMBERS; those that are None or not there are unknown."""
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
    """Of older files some `columns` may be enough; the others of COLUMNS are unknown if they are not there.

    Raises:
        InputError: if the file is missing or not a table of predictions.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(NUMBERS, str), keep_default_na=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; dvc repro evaluate writes it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as CSV ({' '.join(str(error).split())[:120]})") from error
    if not set(columns) <= set(table.columns):
        raise InputError(f"{path}: the columns are {', '.join(table.columns)}; {', '.join(columns)} expected")
    return table.reindex(columns=list(COLUMNS), fill_value="")


def numbers(table: pd.DataFrame, column: str) -> Int[np.ndarray, "n k"] | None:
    """A column of NUMBERS as an array; None where it is unknown."""
    if (table[column] == "").any():
        return None
    return np.array(table[column].str.split().tolist(), np.int64).reshape(len(table), -1)


def _spaced(numbers: Integer[np.ndarray, "n k"] | None, count: int) -> list[str]:
    if numbers is None:
        return [""] * count
    return [" ".join(map(str, row)) for row in numbers.tolist()]
