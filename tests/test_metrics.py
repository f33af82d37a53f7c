"""Figures against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from digitsum.analysis import metrics


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_solves_its_equation(pair: tuple[int, int]) -> None:
    """Its ends are the shares p for which the observed share is 1.96 standard errors of p away."""
    hits, count = pair
    low, high = metrics.wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(hits / count - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / count), abs=1e-7)


SUMS = np.array([0, 1, 2, 2])
LOG_PROBABILITY = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]))


def test_summary_of_a_known_case() -> None:
    low, high = metrics.wilson(3, 4)
    expected = {
        "accuracy": 0.75,
        "accuracy_low": low,
        "accuracy_high": high,
        "strips_touching": 2,
        "accuracy_touching": 0.5,
        "mae": 0.5,
        "within_1": 0.75,
        "nll": -np.log([0.7, 0.6, 0.2, 0.6]).mean(),
        "macro_recall": (1 + 1 + 0.5) / 3,
        "strips": 4,
    }
    found = metrics.summarise(SUMS, LOG_PROBABILITY, np.array([True, False, True, False]))
    assert found == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}
    without = metrics.summarise(SUMS, LOG_PROBABILITY, np.zeros(4, bool))
    assert without["strips_touching"] == 0
    assert "accuracy_touching" not in without


def test_readings_against_a_known_truth() -> None:
    digits, centres = np.array([[1, 2], [4, 3], [5, 5], [7, 0]]), np.array([[20, 50]] * 4)
    read = np.array([[1, 2], [3, 4], [5, 5], [7, 8]])
    correct = np.array([True, True, False, False])
    expected = {
        "strips_repeated": 1,
        "accuracy_repeated": 0.0,
        "digit_accuracy": 5 / 8,
        "reading_accuracy": 2 / 4,
        "order_accuracy": 2 / 3,  # of the three with the right digits
        "localisation_error": 2.5,
    }
    assert metrics.against_truth(correct, digits, centres, read, centres + np.array([1, -4])) == expected
    assert metrics.against_truth(correct, digits, centres, None, None).keys() == {
        "strips_repeated",
        "accuracy_repeated",
    }
    assert "localisation_error" not in metrics.against_truth(correct, digits, centres, read, None)
    assert "order_accuracy" not in metrics.against_truth(correct, digits, centres, 9 - read, None)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=200))
def test_confusion_adds_up(pairs: list[tuple[int, int]]) -> None:
    sums, predicted = np.array(pairs).T
    matrix = metrics.confusion_matrix(sums, predicted, 9)
    assert (matrix == sk.confusion_matrix(sums, predicted, labels=range(10))).all()
    table = metrics.per_sum(sums, predicted, 9)
    assert table["support"].tolist() == matrix.sum(axis=1).tolist()
    for label, recall in zip(table["sum"], table["recall"], strict=True):
        if matrix[label].sum():
            assert recall == pytest.approx(matrix[label, label] / matrix[label].sum(), abs=1e-6)
        else:
            assert np.isnan(recall)
    figures = metrics.mistakes(sums, predicted)
    assert figures["mistakes"] == (sums != predicted).sum()
    assert figures["mistake_size"] * figures["mistakes"] == pytest.approx(np.abs(sums - predicted).sum())
    errors = metrics.signed_errors(sums, predicted)
    assert errors["strips"].sum() == len(pairs) - matrix.trace()
    assert (errors["error"] * errors["strips"]).sum() == (predicted - sums).sum()


def test_calibration_bins_hold_equally_many_and_average_to_the_whole(rng: np.random.Generator) -> None:
    probability = rng.random(1003)
    correct = rng.random(1003) < probability
    table = metrics.calibration(probability, correct)
    assert table["strips"].max() - table["strips"].min() <= 1
    assert table["confidence"].is_monotonic_increasing
    assert np.average(table["accuracy"], weights=table["strips"]) == pytest.approx(correct.mean(), abs=1e-6)
    assert abs(table["accuracy"] - table["confidence"]).max() < 0.2
