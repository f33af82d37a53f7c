"""Composition against a slow copy of the original data set's rules, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.errors import InputError
from digitsum.strips.compose import Layout, compose, paste
from digitsum.strips.glyphs import SIDE, Glyphs

ORIGINAL = Layout(4, 40, 168, first_left=(0, 14), next_left=(14, 42), top=(0, 12))


def glyphs_of(rng: np.random.Generator, count: int = 40) -> Glyphs:
    images = rng.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    return Glyphs(images, (np.arange(count) % 10).astype(np.uint8), np.zeros(count, bool))


def test_pixel_by_pixel_with_wrap_around(rng: np.random.Generator) -> None:
    glyphs = rng.integers(0, 256, (3, 4, SIDE, SIDE), dtype=np.uint8)
    lefts, tops = ORIGINAL.draw(3, rng)
    strips = paste(glyphs, lefts, tops, 40, 168)
    wrapped = 0
    for strip in range(3):
        for y in range(40):
            for x in range(168):
                total = 0
                for slot in range(4):
                    row, column = y - tops[strip, slot], x - lefts[strip, slot]
                    if 0 <= row < SIDE and 0 <= column < SIDE:
                        total += int(glyphs[strip, slot, row, column])
                wrapped += total > 255
                assert strips[strip, y, x] == total % 256
    assert wrapped > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_layout_keeps_its_ranges_and_the_strip(seed: int, digits: int) -> None:
    layout = Layout(digits, 40, 42 * digits, (0, 14), (14, 42), (0, 12))
    lefts, tops = layout.draw(200, np.random.default_rng(seed))
    assert (lefts[:, 0] >= 0).all()
    assert (lefts[:, 0] <= 14).all()
    assert ((np.diff(lefts, axis=1) >= 14) & (np.diff(lefts, axis=1) <= 42)).all()
    assert ((tops >= 0) & (tops <= 12)).all()
    assert (lefts + SIDE <= layout.width).all()


def test_truth_belongs_to_the_strips(rng: np.random.Generator) -> None:
    glyphs = glyphs_of(rng)
    strips, truth = compose(glyphs, ORIGINAL, 50, rng)
    assert (truth.digits.sum(axis=1) == strips.sums).all()
    alone = np.flatnonzero((np.diff(truth.lefts.astype(int), axis=1) >= SIDE).all(axis=1))
    assert len(alone)
    for strip in alone:
        places = (truth.glyphs[strip], truth.digits[strip], truth.lefts[strip], truth.tops[strip])
        for glyph, digit, left, top in zip(*places, strict=True):
            cut = strips.images[strip, top : top + SIDE, left : left + SIDE]
            assert (cut == glyphs.images[glyph]).all()
            assert glyphs.digits[glyph] == digit


def test_digits_are_uniform_in_every_place(rng: np.random.Generator) -> None:
    _, truth = compose(glyphs_of(rng), ORIGINAL, 4000, rng)
    for place in range(4):
        counts = np.bincount(truth.digits[:, place], minlength=10)
        assert abs(counts - 400).max() < 5 * np.sqrt(4000 * 0.1 * 0.9)


@pytest.mark.parametrize(
    ("change", "named"), [({"width": 167}, "strip.width is 167"), ({"height": 39}, "strip.height is 39")]
)
def test_glyphs_may_not_leave_the_strip(change: dict[str, int], named: str) -> None:
    sizes = {"height": 40, "width": 168} | change
    with pytest.raises(InputError, match=named):
        Layout(4, sizes["height"], sizes["width"], (0, 14), (14, 42), (0, 12))
