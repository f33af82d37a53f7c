"""One row for each test strip: the truth, the prediction, how sure it was, and what was read where."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from digitsum.errors import InputError
from digitsum.files import whole_file

COLUMNS = ("strip", "sum", "predicted", "probability", "probability_of_sum", "read", "centres", "digits")


def tabulate(
    sums: Integer[np.ndarray, " n"],
    log_probability: Float[np.ndarray, "n s"],
    read: Integer[np.ndarray, "n k"] | None,
    centres: Integer[np.ndarray, "n k"] | None,
    digits: Integer[np.ndarray, "n k"] | None,
) -> pd.DataFrame:
    """`read` and `centres` (pixels) are the model's, `digits` the truth: numbers with spaces, empty if unknown."""
    rows = np.arange(len(sums))
    probability = np.exp(log_probability.astype(np.float64))
    predicted = log_probability.argmax(axis=1)
    table = {
        "strip": rows,
        "sum": sums,
        "predicted": predicted,
        "probability": probability[rows, predicted].round(6),
        "probability_of_sum": probability[rows, sums].round(6),
        "read": _spaced(read, len(rows)),
        "centres": _spaced(centres, len(rows)),
        "digits": _spaced(digits, len(rows)),
    }
    return pd.DataFrame(table, columns=list(COLUMNS))


def write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """
    Raises:
        InputError: if the file is missing or not a table of predictions.
    """
    try:
        table = pd.read_csv(path, dtype={"read": str, "centres": str, "digits": str}, keep_default_na=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; dvc repro evaluate writes it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as CSV ({' '.join(str(error).split())[:120]})") from error
    if tuple(table.columns) != COLUMNS:
        raise InputError(f"{path}: the columns are {', '.join(table.columns)}; {', '.join(COLUMNS)} expected")
    return table


def _spaced(numbers: Integer[np.ndarray, "n k"] | None, count: int) -> list[str]:
    if numbers is None:
        return [""] * count
    return [" ".join(map(str, row)) for row in numbers.tolist()]
