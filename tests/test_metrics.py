"""Metrics against their definitions, and against scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from digitsum.analysis.confusion import analyze
from digitsum.analysis.evidence import Evidence
from digitsum.analysis.intervals import wilson
from digitsum.analysis.metric_intervals import intervals, with_intervals
from digitsum.analysis.metrics import BOUND, METRICS, by_weights, computed, described, measure, scores
from digitsum.analysis.predictions import tabulate
from digitsum.analysis.slices import by_slice
from digitsum.model.temperature import temper

SUMS = np.array([0, 1, 2, 2])
LOG_PROBABILITY = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]))
READING = ("digit_accuracy", "reading_accuracy", "order_accuracy", "localisation_error")


def evidence(sums: np.ndarray, log_probability: np.ndarray, **others: object) -> Evidence:
    given = {"untempered": log_probability, "temperature": 1.0, "touching": np.zeros(len(sums), bool)} | others
    return Evidence(sums, log_probability, **given)


def made_up(rng: np.random.Generator, count: int = 300, highest: int = 9) -> tuple[np.ndarray, np.ndarray]:
    log_probability = temper(2 * rng.standard_normal((count, highest + 1)), 1.0)
    return np.array([rng.choice(highest + 1, p=np.exp(row)) for row in log_probability]), log_probability


def test_metrics_equal_those_of_scikit_learn(rng: np.random.Generator) -> None:
    sums, log_probability = made_up(rng)
    found = computed(evidence(sums, log_probability))
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


def test_ranked_probability_score_of_known_cases() -> None:
    """It is the absolute error of a prediction with probability one; for SUMS it was computed by hand."""
    with np.errstate(divide="ignore"):
        certain = np.log(np.eye(10)[[3, 3, 3]])
    with np.errstate(invalid="ignore"):
        assert scores(evidence(np.array([3, 5, 0]), certain))["rps"].tolist() == [0, 2, 3]
    expected = [0.3**2 + 0.1**2, 0.1**2 + 0.3**2, 0.5**2 + 0.8**2, 0.2**2 + 0.4**2]
    assert scores(evidence(SUMS, LOG_PROBABILITY))["rps"].tolist() == pytest.approx(expected)


def test_a_strip_with_weight_two_counts_as_two_strips(rng: np.random.Generator) -> None:
    """Except in the bins of the calibration error, whose members stay the same."""
    sums, log_probability = made_up(rng, 60)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=3).astype(float)
    found = by_weights(evidence(sums, log_probability))(weights)
    for sample, own in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(60), own)
        expected = computed(evidence(sums[rows], log_probability[rows]))
        for name in found.keys() - {"calibration_error"}:
            assert found[name][sample] == pytest.approx(expected[name]), name


def test_metrics_of_a_known_case() -> None:
    low, high = wilson(3, 4)
    known = evidence(SUMS, LOG_PROBABILITY, touching=np.array([True, False, True, False]))
    table = with_intervals(known)
    found = measure(known, table)
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
    apart = evidence(SUMS, LOG_PROBABILITY)
    without = measure(apart, with_intervals(apart))
    assert without["strips_touching"] == 0
    assert "accuracy_touching" not in without


def test_the_table_holds_every_metric_in_the_order_of_the_file(rng: np.random.Generator) -> None:
    """evaluate and confusion write what METRICS declares, and each entry has one origin."""
    digits = rng.integers(0, 5, (40, 2))
    read = np.where(rng.random((40, 2)) < 0.2, 9 - digits, digits)
    centres = np.broadcast_to([20, 60], digits.shape)
    log_probability = np.log(np.full((40, 19), 0.01 / 18) + (0.99 - 0.01 / 18) * np.eye(19)[read.sum(axis=1)])
    truth = {"digits": digits, "centres": centres, "read": read, "read_centres": centres}
    truth["glyphs"] = rng.integers(0, 30, (40, 2))
    whole = evidence(digits.sum(axis=1), log_probability, touching=np.arange(40) < 5, **truth)
    by_evaluate = measure(whole, with_intervals(whole))
    numbers = {"digits": digits, "digit_centres": centres, "read": read, "centres": centres}
    numbers |= {"read_given_sum": digits, "centres_given_sum": centres, "glyphs": whole.glyphs}
    by_confusion = analyze(tabulate(whole.sums, log_probability, numbers), 18).metrics
    assert [*by_evaluate, *by_confusion] == list(METRICS)
    for name, metric in METRICS.items():
        origins = [metric.score, metric.weighted, metric.value].count(None)
        assert origins == (3 if name in by_confusion else 2), name


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_shown(name: str) -> None:
    metric = METRICS[name]
    assert metric.label
    assert metric.label != name
    assert metric.text(0.5)
    assert metric.change(0.25, 0.5).startswith("+")
    assert metric.change(0.5, 0.5) == "0"
    if end := BOUND.search(name):
        assert name.removesuffix(end[0]) in METRICS


def test_labels_are_distinct() -> None:
    labels = [metric.label for metric in METRICS.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(("before", "after", "verdict"), [(0.1, 0.2, "better"), (0.2, 0.1, "worse"), (0.1, 0.1, "")])
def test_better_is_higher_or_lower(before: float, after: float, verdict: str) -> None:
    assert METRICS["accuracy"].verdict(before, after) == verdict
    assert METRICS["nll"].verdict(after, before) == verdict
    assert METRICS["temperature"].verdict(before, after) == ""


def test_values_as_they_are_shown() -> None:
    assert METRICS["accuracy"].text(0.97125) == "97.12%"
    assert METRICS["accuracy"].change(0.97, 0.965) == "-0.50 points"
    assert METRICS["mae"].text(0.12345) == "0.1235"
    assert METRICS["strips"].text(4000) == "4,000"
    unknown = described("of_another_version")
    assert (unknown.label, unknown.text(0.5), unknown.verdict(0, 1)) == ("of_another_version", "0.5000", "")


def test_readings_against_a_known_truth() -> None:
    digits, centres = np.array([[1, 2], [4, 3], [5, 5], [7, 0]]), np.array([[20, 50]] * 4)
    read = np.array([[1, 2], [3, 4], [5, 5], [7, 8]])
    truth = {"digits": digits, "centres": centres}
    log_probability = np.log(np.full((4, 19), 0.01 / 18) + (0.99 - 0.01 / 18) * np.eye(19)[[3, 7, 9, 9]])  # two right

    def found(**given: np.ndarray | None) -> dict[str, float | None]:
        each = evidence(digits.sum(axis=1), log_probability, **truth, **given)
        return {name: METRICS[name].value(each) for name in ("strips_repeated", "accuracy_repeated", *READING)}

    assert found(read=read, read_centres=centres + np.array([1, -4])) == {
        "strips_repeated": 1,
        "accuracy_repeated": 0.0,
        "digit_accuracy": 5 / 8,
        "reading_accuracy": 2 / 4,
        "order_accuracy": 2 / 3,  # of the three strips with the right digits
        "localisation_error": 2.5,
    }
    without = found()
    assert (without["strips_repeated"], without["accuracy_repeated"]) == (1, 0.0)
    assert [without[name] for name in READING] == [None] * 4
    assert found(read=read)["localisation_error"] is None
    assert found(read=9 - read)["order_accuracy"] is None


def test_a_slice_is_measured_by_its_own_strips() -> None:
    table = scores(evidence(SUMS, LOG_PROBABILITY))
    last = np.array([False, False, True, True])
    found = by_slice({"last": last, "none": ~np.ones(4, bool), "all": np.ones(4, bool)}, table)
    assert found["slice"].tolist() == ["last", "all"]
    assert found["accuracy"].tolist() == [0.5, 0.75]
    assert tuple(found.loc[0, ["low", "high"]]) == wilson(1, 2)


def test_intervals_are_the_ends_beside_a_metric_or_those_of_the_file(tmp_path: Path) -> None:
    metrics = {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "mae": 0.5}
    assert intervals(metrics, tmp_path / "missing.csv") == {"accuracy": (0.5, 0.9)}
    with_intervals(evidence(SUMS, LOG_PROBABILITY)).to_csv(tmp_path / "figures.csv", index=False)
    found = intervals(metrics, tmp_path / "figures.csv")
    assert found["accuracy"] == (0.5, 0.9)
    low, high = found["mae"]
    assert low <= 0.5 <= high
