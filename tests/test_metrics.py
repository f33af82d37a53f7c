"""Figures of a model against their definitions, and against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as sk

from digitsum.analysis import metrics
from digitsum.analysis.intervals import wilson
from digitsum.model.temperature import temper

SUMS = np.array([0, 1, 2, 2])
LOG_PROBABILITY = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]))


def made_up(rng: np.random.Generator, count: int = 300, highest: int = 9) -> tuple[np.ndarray, np.ndarray]:
    log_probability = temper(2 * rng.standard_normal((count, highest + 1)), 1.0)
    return np.array([rng.choice(highest + 1, p=np.exp(row)) for row in log_probability]), log_probability


def test_figures_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    sums, log_probability = made_up(rng)
    found = {name: value[0] for name, value in metrics.figures(sums, log_probability)(np.ones((1, 300))).items()}
    predicted, probability = log_probability.argmax(axis=1), np.exp(log_probability)
    labels = np.arange(10)
    expected = {
        "accuracy": sk.accuracy_score(sums, predicted),
        "mae": sk.mean_absolute_error(sums, predicted),
        "nll": sk.log_loss(sums, probability, labels=labels),
        "brier": sk.brier_score_loss(sums, probability, labels=labels, scale_by_half=False),
        "macro_recall": sk.balanced_accuracy_score(sums, predicted),
        "macro_mae": np.mean([sk.mean_absolute_error(sums[part], predicted[part]) for part in sums == labels[:, None]]),
    }
    assert {name: found[name] for name in expected} == {
        name: pytest.approx(value, abs=1e-9) for name, value in expected.items()
    }


def test_ranked_probability_of_known_cases() -> None:
    """Of a prediction without doubt it is the absolute error; of SUMS it was worked out by hand."""
    with np.errstate(divide="ignore"):
        certain = np.log(np.eye(10)[[3, 3, 3]])
    assert metrics.scores(np.array([3, 5, 0]), certain)["rps"].tolist() == [0, 2, 3]
    expected = [0.3**2 + 0.1**2, 0.1**2 + 0.3**2, 0.5**2 + 0.8**2, 0.2**2 + 0.4**2]
    assert metrics.scores(SUMS, LOG_PROBABILITY)["rps"].tolist() == pytest.approx(expected)


def test_a_strip_that_counts_twice_is_a_strip_that_is_there_twice(rng: np.random.Generator) -> None:
    """But for the bins of calibration, whose members stay the same."""
    sums, log_probability = made_up(rng, 60)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=3).astype(float)
    found = metrics.figures(sums, log_probability)(weights)
    for sample, own in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(60), own)
        expected = metrics.figures(sums[rows], log_probability[rows])(np.ones((1, 60)))
        for name in found.keys() - {"calibration_error"}:
            assert found[name][sample] == pytest.approx(expected[name][0]), name


def test_headline_of_a_known_case() -> None:
    low, high = wilson(3, 4)
    table = metrics.summarise(SUMS, LOG_PROBABILITY, LOG_PROBABILITY)
    correct, touching = np.array([True, True, False, True]), np.array([True, False, True, False])
    found = metrics.headline(table, correct, touching, temperature=1.0)
    expected = {
        "accuracy": 0.75,
        "accuracy_low": low,
        "accuracy_high": high,
        "strips_touching": 2,
        "accuracy_touching": 0.5,
        "mae": 0.5,
        "macro_mae": (0 + 0 + 1) / 3,
        "within_1": 0.75,
        "within_2": 1.0,
        "nll": -np.log([0.7, 0.6, 0.2, 0.6]).mean(),
        "macro_recall": (1 + 1 + 0.5) / 3,
        "coverage_995": 0.75,
        "temperature": 1.0,
        "strips": 4,
    }
    assert {name: found[name] for name in expected} == {
        name: pytest.approx(value, abs=1e-6) for name, value in expected.items()
    }
    assert found["nll_untempered"] == found["nll"]
    without = metrics.headline(table, correct, np.zeros(4, bool), temperature=1.0)
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


def test_slices_are_judged_by_their_own_strips() -> None:
    table = metrics.scores(SUMS, LOG_PROBABILITY)
    last = np.array([False, False, True, True])
    found = metrics.by_slice({"last": last, "none": ~np.ones(4, bool), "all": np.ones(4, bool)}, table)
    assert found["slice"].tolist() == ["last", "all"]
    assert found["accuracy"].tolist() == [0.5, 0.75]
    assert tuple(found.loc[0, ["low", "high"]]) == wilson(1, 2)
