"""Composes strips of glyphs by the rules of the original data set."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from digitsum.errors import InputError
from digitsum.params.preprocess import PreprocessParams
from digitsum.params.strip import StripParams
from digitsum.strips.dataset import Strips, Truth
from digitsum.strips.glyphs import SIDE, Glyphs

CHUNK = 2000  # strips composed at once, to bound the memory


@dataclass(frozen=True)
class Layout:
    """Where glyphs may lie on a strip, in pixels; all ranges include both ends.

    `first_left` is the range of the first glyph's left edge, `next_left` that of the distance from one left edge to the
    next, and `top` that of the upper edges. Each is drawn uniformly.
    """

    digits: int
    height: int
    width: int
    first_left: tuple[int, int]
    next_left: tuple[int, int]
    top: tuple[int, int]

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: if a glyph could leave the strip.
        """
        right = self.first_left[1] + (self.digits - 1) * self.next_left[1] + SIDE
        bottom = self.top[1] + SIDE
        if right > self.width:
            raise InputError(
                f"params.yaml: strip.width is {self.width}, but {self.digits} digits can reach {right} px with "
                f"preprocess.first_left {list(self.first_left)} and next_left {list(self.next_left)}; "
                f"set strip.width to {right} or more, or narrow these ranges"
            )
        if bottom > self.height:
            raise InputError(
                f"params.yaml: strip.height is {self.height}, but glyphs can reach {bottom} px with "
                f"preprocess.top {list(self.top)}; set strip.height to {bottom} or more, or narrow this range"
            )

    @classmethod
    def of(cls, strip: StripParams, preprocess: PreprocessParams) -> "Layout":
        return cls(strip.digits, strip.height, strip.width, preprocess.first_left, preprocess.next_left, preprocess.top)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Int[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
        """The left edges and the upper edges of the glyphs of `count` strips, in pixels."""
        steps = rng.integers(*self.next_left, size=(count, self.digits), endpoint=True)
        steps[:, 0] = rng.integers(*self.first_left, size=count, endpoint=True)
        tops = rng.integers(*self.top, size=(count, self.digits), endpoint=True)
        return steps.cumsum(axis=1), tops


def paste(
    glyphs: UInt8[np.ndarray, "n k s s"],
    lefts: Int[np.ndarray, "n k"],
    tops: Int[np.ndarray, "n k"],
    height: int,
    width: int,
) -> UInt8[np.ndarray, "n {height} {width}"]:
    """Adds the glyphs of each strip onto black. Where glyphs overlap, uint8 wraps around, as in the original data."""
    count, digits, side, _ = glyphs.shape
    strips = np.zeros((count, height, width), np.uint8)
    row = np.arange(count)[:, None, None]
    pixel = np.arange(side)
    for slot in range(digits):
        y = tops[:, slot, None, None] + pixel[:, None]
        x = lefts[:, slot, None, None] + pixel
        strips[row, y, x] += glyphs[:, slot]
    return strips


def compose(glyphs: Glyphs, layout: Layout, count: int, rng: np.random.Generator) -> tuple[Strips, Truth]:
    """`count` strips on which every digit is equally likely in every place, and the truth about them.

    The truth numbers glyphs by their place in `glyphs`.
    """
    by_digit = [np.flatnonzero(glyphs.digits == digit) for digit in range(10)]
    digits = rng.integers(10, size=(count, layout.digits))
    chosen = np.empty_like(digits)
    for digit, members in enumerate(by_digit):
        chosen[digits == digit] = rng.choice(members, size=(digits == digit).sum())
    lefts, tops = layout.draw(count, rng)
    images = np.empty((count, layout.height, layout.width), np.uint8)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        images[part] = paste(glyphs.images[chosen[part]], lefts[part], tops[part], layout.height, layout.width)
    truth = Truth(digits.astype(np.uint8), lefts.astype(np.int16), tops.astype(np.int16), chosen.astype(np.int32))
    return Strips(images, digits.sum(axis=1).astype(np.int64)), truth
