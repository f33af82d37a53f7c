"""Glyphs come out of strips as they went in, where nothing touches them, and make strips of known sums."""

import numpy as np
import pytest
import torch

from digitsum.params.augment import AugmentParams
from digitsum.strips.compose import Layout, compose, paste
from digitsum.strips.cutting import Cuttings, cut
from digitsum.strips.dataset import Strips, Truth
from digitsum.strips.glyphs import SIDE, Glyphs
from digitsum.strips.ink import offset
from digitsum.strips.sources.digits import sklearn_digits

STILL = AugmentParams(rotate=0.0, shear=0.0, scale=0.0, shift=0.0, elastic=0.0)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return sklearn_digits()


def made(glyphs: Glyphs, next_left: tuple[int, int], count: int) -> tuple[Strips, Truth, np.ndarray]:
    layout = Layout(4, 40, 168, first_left=(0, 14), next_left=next_left, top=(0, 12))
    strips, truth = compose(glyphs, layout, count, np.random.default_rng(0))
    return strips, truth, truth.lefts.astype(np.int64) + SIDE // 2


def inked(glyph: np.ndarray) -> bytes:
    """The part of a picture that its ink spans."""
    rows, columns = np.flatnonzero(glyph.any(axis=1)), np.flatnonzero(glyph.any(axis=0))
    return glyph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].tobytes()


def test_glyphs_apart_come_out_whole_with_their_digits(glyphs: Glyphs) -> None:
    strips, truth, centres = made(glyphs, (29, 42), 60)
    known = {(inked(image), digit) for image, digit in zip(glyphs.images, glyphs.digits.tolist(), strict=True)}
    cuttings = cut(strips.images, truth.digits, centres, np.ones(len(centres)))
    assert len(cuttings.digits) > 0.95 * 240  # a few have an empty column within
    found = [
        (inked(image), digit) for image, digit in zip(cuttings.glyphs.numpy(), cuttings.digits.tolist(), strict=True)
    ]
    assert sum(pair in known for pair in found) > 0.98 * len(found)


def test_of_glyphs_that_touch_nothing_is_cut(glyphs: Glyphs) -> None:
    strips, truth, centres = made(glyphs, (14, 14), 40)
    cuttings = cut(strips.images, truth.digits, centres, np.ones(len(centres)))
    assert len(cuttings.digits) < 0.1 * 160


def test_of_black_strips_nothing_is_cut(glyphs: Glyphs) -> None:
    strips, truth, centres = made(glyphs, (29, 42), 2)
    alone = cut(strips.images[1:], truth.digits[1:], centres[1:], np.ones(1))
    strips.images[0] = 0
    both = cut(strips.images, truth.digits, centres, np.ones(2))
    assert torch.equal(both.glyphs, alone.glyphs)
    assert len(alone.digits) > 0


def test_digits_are_right_at_the_real_spacing_and_with_rough_centres(glyphs: Glyphs) -> None:
    strips, truth, centres = made(glyphs, (14, 42), 300)
    cuttings = cut(strips.images, truth.digits, centres // 8 * 8, np.ones(len(centres)))
    pictures = {inked(image): digit for image, digit in zip(glyphs.images, glyphs.digits.tolist(), strict=True)}
    known = [
        (pictures[inked(image)], digit)
        for image, digit in zip(cuttings.glyphs.numpy(), cuttings.digits.tolist(), strict=True)
        if inked(image) in pictures
    ]
    assert len(known) > 0.3 * 1200
    assert np.mean([digit == read for digit, read in known]) > 0.99


@pytest.mark.parametrize("wrong_by", [-9, 0, 6])
def test_offset_is_measured(glyphs: Glyphs, wrong_by: int) -> None:
    strips, _, centres = made(glyphs, (14, 42), 200)
    assert offset(strips.images, centres - wrong_by) == pytest.approx(wrong_by, abs=1)


def test_offset_of_strips_without_gaps_is_nothing() -> None:
    assert offset(np.full((3, 40, 168), 255, np.uint8), np.full((3, 4), 50)) == 0


@pytest.mark.parametrize(
    ("digits", "width", "least"), [(1, 28, 0), (1, 40, 0), (2, 60, 14), (3, 168, 14), (8, 168, 14), (6, 60, 6)]
)
def test_composed_strips_are_those_that_pasting_gives(digits: int, width: int, least: int) -> None:
    """A glyph with a single pixel shows where it was put, so each strip can be pasted again."""
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 27, 0] = 5
    bank = Cuttings.weighted(dot, np.array([7]), np.ones(1))
    strips, sums = bank.compose(50, digits, 31, width, 14, STILL, torch.Generator().manual_seed(0))
    assert sums.tolist() == [7 * digits] * 50
    seen = []
    for strip in strips.round().to(torch.uint8).numpy():  # the sampling of an identical map rounds
        bottoms, lefts = np.nonzero(strip.T)[::-1]
        assert len(lefts) == digits
        assert digits == 1 or np.diff(lefts).min() >= least
        again = paste(np.repeat(dot, digits, axis=0)[None], lefts[None], bottoms[None] - 27, 31, width)
        assert np.array_equal(again[0], strip)
        seen.append((lefts, bottoms))
    tops = np.concatenate([bottoms for _, bottoms in seen]) - 27
    assert set(tops) == {0, 1, 2, 3}
    if width == 168:
        assert {lefts[0] for lefts, _ in seen} >= {0, 1, 2}
        assert max(lefts[-1] for lefts, _ in seen) >= width - SIDE - 2


def test_composing_stays_on_the_strip_and_below_256(glyphs: Glyphs) -> None:
    bank = Cuttings.weighted(glyphs.images, glyphs.digits, np.ones(len(glyphs.digits)))
    augment = AugmentParams(rotate=10.0, shear=0.15, scale=0.1, shift=2.0, elastic=1.0)
    strips, sums = bank.compose(64, 4, 40, 168, 14, augment, torch.Generator().manual_seed(0))
    assert strips.shape == (64, 40, 168)
    assert strips.min() >= 0
    assert strips.max() < 256
    assert 0 <= sums.min() <= sums.max() <= 36


def test_glyphs_have_the_weight_of_their_strip_and_are_drawn_by_it(glyphs: Glyphs) -> None:
    strips, _, centres = made(glyphs, (29, 42), 3)
    strips = cut(strips.images, np.repeat([[1], [2], [3]], 4, axis=1), centres, np.array([0.0, 1.0, 3.0]))
    shares = np.diff(strips.cumulative.numpy(), prepend=0)
    weights = np.array([0.0, 1.0, 3.0])[strips.digits.numpy() - 1]
    assert set(strips.digits.tolist()) == {1, 2, 3}
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=1e-6)
    _, sums = strips.compose(2000, 4, 40, 168, 14, STILL, torch.Generator().manual_seed(0))
    number = strips.digits.bincount(minlength=4)
    threes = 3 * number[3] / (number[2] + 3 * number[3])
    assert sums.min() >= 8
    assert sums.float().mean() / 4 == pytest.approx(2 + threes.item(), abs=0.05)


@pytest.mark.parametrize("count", [1, 50, 80_000])
def test_glyphs_are_drawn_as_torch_draws_by_weights(count: int, rng: np.random.Generator) -> None:
    """Each shows by its digit which it is."""
    weights = rng.random(count).astype(np.float32)
    bank = Cuttings.weighted(np.zeros((count, 28, 28), np.uint8), np.arange(count), weights)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    for generator in generators:  # what is drawn before
        torch.randint(7, (20, 1), generator=generator)
        torch.randint(13, (20, 1), generator=generator)
    _, found = bank.compose(20, 1, 40, 34, 14, STILL, torch.Generator().manual_seed(5))
    wanted = torch.multinomial(torch.from_numpy(weights), 20, replacement=True, generator=generators[0])
    assert found.tolist() == wanted.tolist()
