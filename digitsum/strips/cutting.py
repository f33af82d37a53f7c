"""Cuts glyphs out of strips where nothing touches them, and composes new strips of them: data from sum labels alone.

A model supplies the digits and their positions, so this is self-training. Use only strips that the model reads well.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, Integer, UInt8
from torch import Tensor

from digitsum.params.augment import AugmentParams
from digitsum.strips.augment import random_warp
from digitsum.strips.glyphs import SIDE
from digitsum.strips.ink import pieces

SMALLEST = 8  # pixels of height; lower pieces are specks of a neighboring glyph


@dataclass(frozen=True)
class Cuttings:
    """Glyphs, their digits, and the cumulative distribution by which glyphs are drawn; its last value is 1."""

    glyphs: UInt8[Tensor, "m 28 28"]
    digits: Int64[Tensor, " m"]
    cumulative: Float[Tensor, " m"]

    @classmethod
    def weighted(
        cls, glyphs: UInt8[np.ndarray, "m 28 28"], digits: Integer[np.ndarray, " m"], weights: Float[np.ndarray, " m"]
    ) -> "Cuttings":
        """Glyphs to be drawn in proportion to their `weights`."""
        cumulative = weights.astype(np.float32).cumsum()
        shares = (cumulative / cumulative[-1:]).astype(np.float64)
        return cls(*map(torch.from_numpy, (glyphs, digits.astype(np.int64), shares)))

    def to(self, device: torch.device) -> "Cuttings":
        precision = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        return Cuttings(self.glyphs.to(device), self.digits.to(device), self.cumulative.to(precision).to(device))

    def compose(
        self,
        count: int,
        digits: int,
        height: int,
        width: int,
        nearest: int,
        augment: AugmentParams,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, "n h w"], Int64[Tensor, " n"]]:
        """`count` strips of `digits` glyphs each, and their sums.

        Glyphs are drawn by their weights, and each is warped by a map of its own. Left edges are at least `nearest`
        pixels apart, or as far as the width allows. Upper edges are uniform over the height. Where glyphs overlap, they
        are added with wrap-around, as in the original data.

        Returns:
            Strips, float32 (count, height, width), with values from 0 to below 256, and sums, int64 (count,).
        """
        device, side = self.glyphs.device, SIDE

        def draw(highest: int, *shape: int) -> Int64[Tensor, "..."]:
            return torch.randint(highest, shape, generator=generator, device=device)

        nearest = min(nearest, (width - side) // max(digits - 1, 1))
        room = width - side - nearest * (digits - 1)
        lefts = draw(room + 1, count, digits).sort(1).values + nearest * torch.arange(digits, device=device)
        tops = draw(height - side + 1, count, digits)
        # the method of torch.multinomial, whose results on a GPU differ from run to run
        chance = torch.rand(count, digits, generator=generator, device=device, dtype=self.cumulative.dtype)
        chosen = torch.searchsorted(self.cumulative, chance)
        glyphs = random_warp(self.glyphs[chosen.view(-1)], generator, **augment.model_dump())
        pixel = torch.arange(side, device=device)
        strip = torch.arange(count, device=device)[:, None, None, None]
        row, column = tops[..., None, None] + pixel[:, None], lefts[..., None, None] + pixel
        canvas = torch.zeros(count * height * width, device=device)
        canvas.index_add_(0, ((strip * height + row) * width + column).view(-1), glyphs.view(-1))
        return canvas.view(count, height, width) % 256, self.digits[chosen].sum(1)


def cut(
    strips: UInt8[np.ndarray, "n h w"],
    digits: Integer[np.ndarray, "n k"],
    centres: Integer[np.ndarray, "n k"],
    weights: Float[np.ndarray, " n"],
) -> Cuttings:
    """Cuts out every glyph that has empty columns of pixels on both sides, with the weight of its strip.

    A piece of ink becomes a glyph if it fits into one and is the nearest piece to exactly one of the centers. It is
    placed in the middle of the glyph.

    Args:
        digits: of each strip, from left to right.
        centres: where the middles of these digits are, in pixels from the left.
    """
    glyphs: list[np.ndarray] = []
    found: list[int] = []
    likely: list[float] = []
    for strip, own, place, weight in zip(strips, digits, centres, weights, strict=True):
        starts, ends = pieces(strip)
        if len(starts) == 0:
            continue
        owners = _owners(starts, ends, place)
        for piece, (start, end) in enumerate(zip(starts, ends, strict=True)):
            (claims,) = np.nonzero(owners == piece)
            if len(claims) == 1 and (glyph := _centred(strip[:, start:end])) is not None:
                glyphs.append(glyph)
                found.append(int(own[claims[0]]))
                likely.append(float(weight))
    images = np.stack(glyphs) if glyphs else np.empty((0, SIDE, SIDE), np.uint8)
    return Cuttings.weighted(images, np.array(found, np.int64), np.array(likely))


def _owners(
    starts: Int[np.ndarray, " p"], ends: Int[np.ndarray, " p"], places: Integer[np.ndarray, " k"]
) -> Int[np.ndarray, " k"]:
    """The index of the piece that each digit is in."""
    if len(starts) == len(places):
        return np.arange(len(places))
    away = np.maximum(starts - places[:, None], places[:, None] - (ends - 1)).clip(min=0)
    nearest: Int[np.ndarray, " k"] = away.argmin(axis=1)
    return nearest


def _centred(piece: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "28 28"] | None:
    rows = np.flatnonzero(piece.any(axis=1))
    top, height, width = rows[0], rows[-1] + 1 - rows[0], piece.shape[1]
    if not SMALLEST <= height <= SIDE or width > SIDE:
        return None
    glyph = np.zeros((SIDE, SIDE), np.uint8)
    y, x = (SIDE - height) // 2, (SIDE - width) // 2
    glyph[y : y + height, x : x + width] = piece[top : top + height]
    return glyph
