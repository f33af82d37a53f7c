"""Intervals and tests of strips that share glyphs, on simulated strips whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import script
from scipy.stats import binomtest

from digitsum.analysis.calibration import calibration_error, calibration_influence
from digitsum.analysis.intervals import wilson
from digitsum.analysis.sharing import design_effect, effect_on_difference, paired_p, share_interval

SIMULATION = script("benchmarks/interval_coverage.py")


@pytest.mark.parametrize("hard", [None, 0.9])
def test_intervals_cover_and_tests_reject_as_they_promise(hard: float | None) -> None:
    """The bounds are four standard errors of 200 worlds wide."""
    world = SIMULATION.World("mlxtend", 750, 4000, 0.05, hard)
    before, rejected_before, after, rejected_after = SIMULATION.shares(world, 200)
    assert 0.89 <= after <= 1
    assert rejected_after <= 0.11
    if hard:
        assert before < 0.6, "strips taken for independent"
        assert rejected_before > 0.3


def slow_variance(differences: np.ndarray, glyphs: np.ndarray) -> float:
    """By its definition, over all pairs of strips."""
    total = 0.0
    for i, own in enumerate(glyphs):
        for j, other in enumerate(glyphs):
            shared = 1 if i == j else sum((own == glyph).sum() for glyph in other)
            total += shared * differences[i] * differences[j]
    return total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 25))
def test_the_variance_is_a_sum_over_pairs_with_a_glyph_in_common(seed: int, digits: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    glyphs, differences = rng.integers(0, 9, (count, digits)), rng.integers(-1, 2, count)
    square = float((differences**2).sum())
    expected = max(slow_variance(differences, glyphs) / square, 1.0) if square else 1.0
    assert effect_on_difference(differences, glyphs) == pytest.approx(expected)


def test_strips_of_one_glyph_each_are_worth_as_many_as_there_are_glyphs() -> None:
    """Each glyph is on ten strips, which are all right or all wrong."""
    glyphs = np.repeat(np.arange(500), 10)[:, None]
    right = glyphs[:, 0] % 5 > 0
    assert design_effect(right, glyphs) == pytest.approx(10, rel=0.1)
    assert share_interval(right, glyphs) == pytest.approx(wilson(400, 500), abs=0.005)


def test_without_a_mistake_only_glyphs_are_counted() -> None:
    """Nothing shows that a hard glyph would not spoil all its strips."""
    glyphs = np.repeat(np.arange(50), 20)[:, None]
    low, high = share_interval(np.ones(1000, bool), glyphs)
    assert (low, high) == (pytest.approx(wilson(50, 50)[0]), 1)


@pytest.mark.parametrize("glyphs", [None, np.arange(4000).reshape(1000, 4)])
def test_strips_that_share_nothing_are_independent(rng: np.random.Generator, glyphs: np.ndarray | None) -> None:
    right = rng.random(1000) < 0.95
    assert design_effect(right, glyphs) == pytest.approx(1, abs=0.01)
    assert share_interval(right, glyphs) == pytest.approx(wilson(int(right.sum()), 1000), abs=1e-4)
    differences = rng.integers(-1, 2, 1000)
    assert effect_on_difference(differences, glyphs) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_whole_counts_have_the_mid_p_of_a_binomial(fixed: int, broken: int) -> None:
    both = fixed + broken
    if both == 0:
        assert paired_p(fixed, broken, 1.0) == 1
        return
    exact = binomtest(broken, both, alternative="greater")
    tie = binomtest(broken, both).pvalue if both == 0 else np.exp(_log_choose(both, broken) - both * np.log(2))
    assert paired_p(fixed, broken, 1.0, two_sided=False) == pytest.approx(exact.pvalue - tie / 2, abs=1e-12)
    assert paired_p(fixed, broken, 1.0) == pytest.approx(paired_p(broken, fixed, 1.0))
    assert paired_p(fixed, broken, 3.0) >= paired_p(fixed, broken, 1.0) - 1e-12


def _log_choose(count: int, some: int) -> float:
    return sum(np.log((count - step) / (step + 1)) for step in range(some))


def test_the_influence_of_a_strip_is_what_its_weight_changes(rng: np.random.Generator) -> None:
    probability = rng.uniform(0.5, 1, 300)
    correct = rng.random(300) < 0.7
    weights = np.ones((300, 300)) + 1e-6 * np.eye(300)
    change = (
        calibration_error(probability, correct, weights) - calibration_error(probability, correct, np.ones((1, 300)))
    ) * 300e6
    influence = calibration_influence(probability, correct)
    np.testing.assert_allclose(change, influence - influence.mean(), atol=1e-3)
