"""Misread digits of two models beside each other."""

import numpy as np
import pandas as pd

from digitsum.analysis import predictions
from digitsum.analysis.misread import compare_misread

DIGITS = np.array([[9, 1, 2, 3], [9, 4, 5, 6], [7, 7, 9, 0]])
CENTRES = np.broadcast_to([20, 60, 100, 140], DIGITS.shape)


def table(read: np.ndarray | None, known: bool) -> pd.DataFrame:
    sums = DIGITS.sum(axis=1)
    numbers = {"read": read, "centres": CENTRES, "read_given_sum": DIGITS, "centres_given_sum": CENTRES}
    if known:
        numbers |= {"digits": DIGITS, "digit_centres": CENTRES}
    return predictions.tabulate(sums, np.log(np.full((len(sums), 37), 1 / 37)), numbers if read is not None else {})


def test_largest_changes_come_first_whether_digits_are_known_or_inferred() -> None:
    before, after = DIGITS.copy(), DIGITS.copy()
    before[0, 3] = 8  # a 3 as 8, in both
    after[0, 3] = 8
    before[2, 0] = 1  # a 7 as 1, before alone
    after[DIGITS == 9] = 3  # every 9 as 3, after alone
    for known in (True, False):
        found = compare_misread(table(before, known), table(after, known))
        assert found.to_numpy().tolist() == [["9 read as 3", 0, 3], ["7 read as 1", 1, 0], ["3 read as 8", 1, 1]]


def test_model_that_reads_no_digits_has_no_table() -> None:
    assert compare_misread(table(None, known=False), table(DIGITS, known=True)).empty
