"""Slices of the test strips, by the truth where it is known and by readings where it is not."""

import numpy as np
import pandas as pd
import pytest

from digitsum.analysis import predictions
from digitsum.analysis.slices import AS_READ, slices

DIGITS = np.array([[1, 1, 1, 1], [0, 2, 2, 9], [3, 4, 5, 6], [9, 9, 9, 9], [0, 1, 2, 3]])
CENTRES = np.array([[20, 40, 60, 80], [20, 34, 60, 90], [20, 60, 100, 140], [14, 28, 42, 56], [20, 45, 75, 105]])


@pytest.fixture
def images() -> np.ndarray:
    """A stroke at each center: 14 pixels wide if neighbors are 14 pixels apart, otherwise 6."""
    strips = np.zeros((len(CENTRES), 40, 168), np.uint8)
    for strip, centres in zip(strips, CENTRES, strict=True):
        reach = 7 if np.diff(centres).min() == 14 else 3
        for centre in centres:
            strip[5:35, centre - reach : centre + reach] = 255
    return strips


def tabulate(read: np.ndarray | None, truth: np.ndarray | None) -> pd.DataFrame:
    sums = DIGITS.sum(axis=1)
    sure = np.log(np.full((len(sums), 37), 1 / 37))
    numbers = {"read": read, "centres": read, "digits": truth, "digit_centres": truth}
    numbers = {name: CENTRES if "centres" in name and value is not None else value for name, value in numbers.items()}
    return predictions.tabulate(sums, sure, numbers)


def members(found: dict[str, np.ndarray], name: str) -> list[int]:
    return np.flatnonzero(found[name]).tolist()


@pytest.mark.parametrize("known", [True, False])
def test_slices_hold_the_strips_that_they_name(images: np.ndarray, known: bool) -> None:
    found = slices(images, tabulate(DIGITS, DIGITS if known else None), 4)
    ending = "" if known else AS_READ
    assert [members(found, f"{n} different digit{'s' if n > 1 else ''}{ending}") for n in (1, 2, 3, 4)] == [
        [0, 3],
        [],
        [1],
        [2, 4],
    ]
    for digit in range(10):
        assert members(found, f"contains {digit}{ending}") == np.flatnonzero((digit == DIGITS).any(axis=1)).tolist()
    assert members(found, f"closest neighbors under 18 px apart{ending}") == [1, 3]
    assert members(found, f"closest neighbors 18 to 25 px apart{ending}") == [0, 4]
    assert members(found, f"closest neighbors 26 px or more apart{ending}") == [2]
    assert members(found, "glyphs touch or overlap") == [1, 3]
    assert members(found, "sum 0 to 5") == [0]  # of 4
    assert members(found, "sum 31 to 36") == [3]
    assert ("contains 0" in found) == known


@pytest.mark.parametrize("start", ["sum", "ink", "glyphs", "closest"])
def test_every_strip_is_in_one_slice_of_each_kind(images: np.ndarray, start: str) -> None:
    found = [part for name, part in slices(images, tabulate(DIGITS, None), 4).items() if name.startswith(start)]
    assert (np.sum(found, axis=0) == 1).all()


def test_without_truth_and_readings_slices_are_by_ink_and_sum(images: np.ndarray) -> None:
    found = slices(images, tabulate(None, None), 4)
    assert {name.split()[0] for name in found} == {"sum", "ink", "glyphs"}
    blank = slices(np.zeros_like(images), tabulate(None, None), 4)
    assert members(blank, "ink 0 to 0 px wide") == [0, 1, 2, 3, 4]
