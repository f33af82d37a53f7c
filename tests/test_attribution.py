"""Which digit was read as which, from readings of strips with known mistakes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.analysis import predictions
from digitsum.analysis.attribution import (
    ADDS_UP,
    INFERRED,
    KNOWN,
    NEAR,
    SURE,
    agreement,
    causes,
    changes,
    digit_confusion,
    doubted_labels,
)
from digitsum.analysis.report import example
from digitsum.params.loader import Params
from digitsum.params.preprocess import PreprocessParams

PLACES = np.array([20, 50, 80, 110])


def tabulate(
    truth: np.ndarray,
    read: np.ndarray | None,
    given: np.ndarray | None,
    read_places: np.ndarray = PLACES,
    sure: float = 0.99,
    predicted: np.ndarray | None = None,
) -> pd.DataFrame:
    sums = truth.sum(axis=1)
    likeliest = predicted if predicted is not None else (sums if read is None else read.sum(axis=1))
    probability = np.full((len(sums), 37), (1 - sure) / 36)
    probability[np.arange(len(sums)), likeliest] = sure
    places = np.broadcast_to(PLACES, truth.shape)
    numbers = {"read": read, "read_given_sum": given, "digits": truth, "digit_centres": places}
    numbers["centres"] = None if read is None else np.broadcast_to(read_places, truth.shape)
    numbers["centres_given_sum"] = None if given is None else places
    return predictions.tabulate(sums, np.log(probability), numbers)


strips = st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=20).map(np.array)


@settings(max_examples=50, deadline=None)
@given(strips, st.data())
def test_every_digit_is_counted_once(truth: np.ndarray, data: st.DataObject) -> None:
    read = np.array(data.draw(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=len(truth), max_size=len(truth))))
    found = changes(tabulate(truth, read, truth), INFERRED)
    counts = digit_confusion(found)
    expected = np.zeros((11, 11), int)
    np.add.at(expected, (truth.ravel(), read.ravel()), 1)
    assert np.array_equal(counts, expected)
    difference = (found["read"] - found["digit"]).groupby(found["strip"]).sum()
    assert difference.tolist() == (read.sum(axis=1) - truth.sum(axis=1)).tolist()


def test_causes_in_words() -> None:
    truth = np.array([[9, 1, 1, 1], [7, 3, 1, 1], [5, 5, 5, 5]])
    read = np.array([[4, 1, 1, 1], [2, 5, 1, 1], [5, 5, 5, 5]])
    found = causes(changes(tabulate(truth, read, truth), INFERRED), [2, 0, 1])
    assert found == [ADDS_UP, "9 read as 4", "3 read as 5 and 7 read as 2"]


def test_digits_are_matched_by_place() -> None:
    """One digit was missed and one was read elsewhere; by order, three would be misread."""
    truth, read = np.array([[1, 2, 3, 4]]), np.array([[2, 3, 4, 7]])
    table = tabulate(truth, read, truth, read_places=np.array([52, 77, 118, 150]))
    found = changes(table, INFERRED)
    assert causes(found, [0]) == ["1 missed and 7 read where there is none"]
    counts = digit_confusion(found)
    assert (counts[1, 10], counts[10, 7], counts[:10, :10].trace()) == (1, 1, 3)
    shown = example(np.zeros((40, 168), np.uint8), table.iloc[0].to_dict())
    assert [each["digit"] for each in shown["found"] if each["wrong"]] == ["7"], "the picture says the same"


def test_a_reading_of_a_digit_is_nearer_than_its_neighbors_are(params: Params) -> None:
    """By default the centers of two digits are further apart than a digit and its reading may be."""
    assert params[PreprocessParams].next_left[0] > NEAR


def test_agreement_with_the_truth() -> None:
    truth = np.array([[9, 1, 1, 1], [3, 1, 1, 1], [2, 2, 2, 2], [0, 1, 2, 3]])
    read = np.array([[4, 1, 1, 1], [5, 1, 1, 1], [1, 2, 2, 2], [1, 0, 2, 3]])
    inferred_digits = np.array([[9, 1, 1, 1], [5, 1, 0, 0], [2, 2, 2, 2], [1, 0, 2, 3]])  # wrong for the second
    table = tabulate(truth, read, inferred_digits)
    inferred, known = (digit_confusion(changes(table, columns)) for columns in (INFERRED, KNOWN))
    found = agreement(table, inferred, known)
    assert found["attributed"] == pytest.approx(2 / 3)
    # inferred: 9 as 4, 2 as 1, and 0 as 1 twice; true: 9 as 4, 2 as 1, 3 as 5, 0 as 1, 1 as 0
    assert found["overlap"] == pytest.approx(2 * 3 / (4 + 5))
    assert agreement(tabulate(truth, truth, truth), inferred * 0, inferred * 0) == {}
    whole = tabulate(truth, read, truth)
    assert agreement(whole, known, known) == {
        "attributed": 1.0,
        "attributed_low": pytest.approx(0.44, abs=0.01),
        "attributed_high": 1.0,
        "overlap": 1.0,
    }


def test_labels_are_doubted_where_the_model_is_sure_and_one_digit_explains_the_label() -> None:
    seen = np.array([[1, 2, 3, 4]] * 4)
    truth = np.array([[1, 2, 3, 4], [1, 2, 3, 9], [9, 9, 3, 4], [1, 7, 3, 4]])  # according to the label
    sure, unsure = (tabulate(truth, seen, truth, sure=probability) for probability in (0.99, SURE - 0.01))
    assert doubted_labels(sure, changes(sure, INFERRED))["strip"].tolist() == [1, 3]
    assert doubted_labels(unsure, changes(unsure, INFERRED)).empty
    without = tabulate(truth, None, None, predicted=seen.sum(axis=1))
    assert changes(without, INFERRED) is None
    assert doubted_labels(without, None)["strip"].tolist() == [1, 3]
