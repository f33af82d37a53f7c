"""Intervals have their coverage, and calibration error and coverage have their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.analysis.calibration import BINS, calibration_error, coverage, reliability, risk_by_coverage
from digitsum.analysis.intervals import bootstrap, wilson


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_solves_its_equation(pair: tuple[int, int]) -> None:
    """At its ends p, the observed share is 1.96 standard errors of p away from p."""
    hits, count = pair
    low, high = wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(hits / count - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / count), abs=1e-7)


def test_bootstrap_of_a_mean_agrees_with_the_normal_distribution(rng: np.random.Generator) -> None:
    values = rng.exponential(size=2000)
    table = bootstrap(lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, 2000).set_index("figure")
    error = values.std() / np.sqrt(2000)
    expected = [values.mean(), values.mean() - 1.96 * error, values.mean() + 1.96 * error]
    assert table.loc["mean"].tolist() == pytest.approx(expected, abs=0.15 * error)


def test_bootstrap_is_deterministic(rng: np.random.Generator) -> None:
    values = rng.random(50)
    first, again = (bootstrap(lambda weights: {"mean": weights @ values / 50}, 50) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


@pytest.mark.parametrize(("shift", "calibrated"), [(0.0, True), (0.1, False)])
def test_only_calibrated_probabilities_may_have_no_calibration_error(
    rng: np.random.Generator, shift: float, calibrated: bool
) -> None:
    probability = rng.uniform(0.2, 0.8, 4000)
    correct = rng.random(4000) < probability + shift
    table = bootstrap(
        lambda weights: {"error": calibration_error(probability, correct, weights)}, 4000, biased=("error",)
    )
    assert (table["low"][0] == 0) == calibrated
    assert table["low"][0] <= table["value"][0] <= table["high"][0]
    if not calibrated:
        assert table["value"][0] == pytest.approx(shift, abs=0.02)


def test_reliability_bins_have_equally_many_strips_and_average_to_the_whole(rng: np.random.Generator) -> None:
    probability = rng.random(1003)
    correct = rng.random(1003) < probability
    table = reliability(probability, correct)
    assert len(table) == BINS
    assert table["strips"].max() - table["strips"].min() <= 1
    assert table["confidence"].is_monotonic_increasing
    assert np.average(table["accuracy"], weights=table["strips"]) == pytest.approx(correct.mean(), abs=1e-6)
    gaps = abs(table["accuracy"] - table["confidence"])
    error = calibration_error(probability, correct, np.ones((1, 1003)))
    assert np.average(gaps, weights=table["strips"]) == pytest.approx(error[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=40), st.sampled_from([0.5, 0.9]))
def test_coverage_is_the_longest_prefix_with_the_wanted_accuracy(pairs: list[tuple[int, bool]], wanted: float) -> None:
    probability, correct = (np.array(part) for part in zip(*pairs, strict=True))
    found = coverage(probability / 1000, correct.astype(bool), np.ones((1, len(pairs))), wanted)[0]
    right = [each for _, each in sorted(pairs, key=lambda pair: -pair[0])]
    longest = max((count for count in range(1, len(right) + 1) if sum(right[:count]) >= wanted * count), default=0)
    assert found == longest / len(right)
    curve = risk_by_coverage(probability / 1000, correct.astype(bool))
    assert curve["coverage"].iloc[-1] == 1
    assert curve["risk"].iloc[-1] == pytest.approx(1 - correct.mean())
