"""Recipes compared over strips and seeds, on simulated results whose truth is known."""

import numpy as np
import pytest

from digitsum.analysis.replicates import compare_seeds, interval_over_seeds, spread_of


def results(
    rng: np.random.Generator, glyphs: np.ndarray, seeds: int, wrong: float, spread: float, common: np.ndarray
) -> np.ndarray:
    """Strips that each seed has right: half of the hard glyphs are hard for all seeds, and each seed has its luck."""
    found = []
    for _ in range(seeds):
        rank = np.where(rng.random(len(common)) < 0.5, common, rng.random(len(common)))
        chance = wrong / 4 + rng.normal(0, spread) / 4
        misread = np.where(rank < chance / 0.9, 0.9, 0)
        found.append(rng.random(len(glyphs)) < (1 - misread[glyphs]).prod(axis=1))
    return np.stack(found)


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.01), (5, 0.01)])
def test_equal_recipes_are_found_different_as_often_as_promised(
    rng: np.random.Generator, seeds: int, spread: float
) -> None:
    """The bounds are about four standard errors of 150 worlds wide."""
    rejected, covered = 0, 0
    for _ in range(150):
        glyphs, common = rng.integers(1000, size=(2000, 4)), rng.random(1000)
        before, after = (results(rng, glyphs, seeds, 0.06, spread, common) for _ in range(2))
        found = compare_seeds(before, after, glyphs)
        rejected += found.p_value < 0.05
        covered += found.low <= 0 <= found.high
    assert rejected <= 18
    assert covered >= 132


def test_a_known_spread_takes_the_place_of_other_seeds() -> None:
    right = np.ones((2, 1000), bool)
    right[0, :60], right[1, 40:60] = False, False
    strips = compare_seeds(right[:1], right[1:], None)
    assert (strips.gain, strips.seeds) == (pytest.approx(0.04), (1, 1))
    assert strips.p_value < 0.001
    assert strips.spread is None
    wide = compare_seeds(right[:1], right[1:], None, seed_sd=0.03)
    assert wide.p_value == pytest.approx(0.173, abs=0.001)
    assert wide.high - wide.low > 2 * (strips.high - strips.low)
    narrow = compare_seeds(right[:1], right[1:], None, seed_sd=0.001)
    assert narrow.p_value == strips.p_value, "single seeds have their strips' noise already"
    same = compare_seeds(right[:1], right[:1], None, seed_sd=0.01)
    assert same.p_value == 0.5


def test_one_recipe_may_have_more_seeds_than_the_other(rng: np.random.Generator) -> None:
    before, after = rng.random((2, 300)) < 0.8, rng.random((1, 300)) < 0.95
    found = compare_seeds(before, after, None)
    assert found.seeds == (2, 1)
    assert found.gain == pytest.approx(after.mean() - before.mean())
    assert found.low < found.gain < found.high


def test_intervals_over_seeds_join_the_noise_of_strips_and_of_seeds() -> None:
    assert interval_over_seeds([0.5], [(0.4, 0.7)]) == (0.4, 0.7)
    assert interval_over_seeds([0.5], None) is None
    low, high = interval_over_seeds([0.4, 0.5, 0.6], None)
    assert (low, high) == (pytest.approx(0.5 - 4.303 * 0.1 / np.sqrt(3), abs=1e-3), pytest.approx(0.748, abs=1e-3))
    wider = interval_over_seeds([0.4, 0.5, 0.6], [(0.2, 0.5), (0.3, 0.6), (0.4, 0.7)])
    assert wider == (pytest.approx(0.5 - np.hypot(0.2, 0.5 - low)), pytest.approx(0.5 + np.hypot(0.1, high - 0.5)))
    assert spread_of([0.4, 0.5, 0.6]) == pytest.approx(0.1)
    assert np.isnan(spread_of([0.4]))
