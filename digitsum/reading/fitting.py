"""Brings images of any size and polarity to strips that a model can read.

An image that is already a strip, of the model's height and with bright ink on black, stays as it is. In any other image
the background is removed, whether light or dark, even or shaded. Ink is stretched to full contrast. Digits are scaled
to the height that they had in training, and fine strokes are thickened to the width that they had there. The row of
digits is centered on a black strip.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Num, UInt8
from PIL import Image
from scipy import ndimage

from digitsum.errors import InputError
from digitsum.strips.dataset import Description
from digitsum.strips.glyphs import SIDE
from digitsum.strips.sources import SOURCES
from digitsum.strips.sources.source import Script

# tests/test_images.py checks these numbers on enlarged, inverted, faint, shaded and noisy strips
DARK, BRIGHT = 8, 128  # gray levels in 0..255: the background of a strip is at most DARK, its ink at least BRIGHT
FAINTEST = 24  # gray levels between ink and background; smaller differences are noise of a sensor or of JPEG
UNEVEN = 12  # gray levels between a bright and a dark border pixel; from this difference on, shade is evened out
NOISE = 0.1  # share of full contrast; fainter ink is made black
INK = 0.35  # share of full contrast; fainter ink does not count when digits and strokes are measured
FINE = 0.6  # share of the stroke width in training; finer strokes are thickened to it
SPECK = 0.02  # share of the largest piece's area; smaller pieces are dirt, and may be cropped away
SMALLEST = 6  # pixels: the least height of digits
WORKING_SIDE = 384  # pixels: larger images are reduced until their shorter side is less than twice this
MARGIN = 8  # pixels: the least space to the left and to the right of the ink
WIDTH_STEP = 8  # pixels; widths of strips are multiples of it, so that images of similar widths share batches
WIDEST = 4096  # pixels: the greatest width of a strip, as in digitsum.params.strip; about a hundred digits fit
MOST_SQUEEZED = 0.6  # share of their height in training to which digits may shrink where the width of strips is fixed


@dataclass(frozen=True)
class StripFormat:
    """The strips that a model reads: their height, their width, at least `width` if `any_width`, and their script."""

    height: int
    width: int
    script: Script
    any_width: bool

    @classmethod
    def of(cls, data: Description, any_width: bool) -> "StripFormat":
        """
        Raises:
            InputError: if the model learned from a source that this version does not have.
        """
        if data.source not in SOURCES:
            raise InputError(
                f"{data.source}: the model learned from this source, which this version does not have; it has "
                f"{', '.join(SOURCES)}"
            )
        return cls(data.height, data.width, SOURCES[data.source].script, any_width)


@dataclass(frozen=True)
class FittedStrip:
    """A strip made from an image: pixel x of the strip shows pixel `left + x / scale` of the image."""

    image: UInt8[np.ndarray, "h w"]
    left: float = 0.0
    scale: float = 1.0

    def places(self, pixels: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Positions on the image, from its left edge, of positions on the strip."""
        return np.rint(self.left + pixels / self.scale).astype(np.int64)


def to_strip(image: UInt8[np.ndarray, "h w"], wanted: StripFormat) -> FittedStrip:
    """The strip that shows the digits of an image as training strips show digits.

    Raises:
        InputError: if there is no ink on the image, or it does not fit on a strip. The message is the reason alone,
            without the name of a file.
    """
    if _is_strip(image, wanted):
        return FittedStrip(image)
    if image.shape[1] * wanted.script.height > image.shape[0] * WIDEST:
        raise InputError(f"{image.shape[1]} x {image.shape[0]} pixels, too wide for its height; crop it to the digits")
    factor = max(1, min(image.shape) // WORKING_SIDE)
    ink = _ink(np.asarray(Image.fromarray(image).reduce(factor) if factor > 1 else image, np.float32))
    rows, columns, digit_height = extent(ink)
    if digit_height < SMALLEST:
        raise InputError(
            f"its digits are {digit_height * factor} pixels high, of {len(image)}; crop it to them, or enlarge it"
        )
    ink = ink[rows, columns]

    scale = _scale(ink.shape, digit_height, wanted)
    if (thicker := round(FINE * wanted.script.stroke / scale - stroke_width(ink, digit_height))) > 0:
        ink = ndimage.maximum_filter(ink, 1 + thicker)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    scaled = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
    strip_width = wanted.width
    if wanted.any_width:
        strip_width = max(strip_width, width + 2 * MARGIN)
        strip_width += -strip_width % WIDTH_STEP
    top, left = (wanted.height - height) // 2, (strip_width - width) // 2
    strip = np.zeros((wanted.height, strip_width), np.uint8)
    strip[top : top + height, left : left + width] = np.rint(255 * _stretched(scaled))
    return FittedStrip(strip, factor * (columns.start - left / scale), scale / factor)


def _is_strip(image: UInt8[np.ndarray, "h w"], wanted: StripFormat) -> bool:
    height, width = image.shape
    fits = width == wanted.width or (wanted.any_width and wanted.width < width <= WIDEST)
    return height == wanted.height and fits and bool((_border(image) <= DARK).mean() >= 0.5 and image.max() >= BRIGHT)


def _border(image: Num[np.ndarray, "h w"]) -> Num[np.ndarray, " b"]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _ink(gray: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How much ink each pixel has, 0..1. The border of the image shows what the background is.

    Raises:
        InputError: if nothing stands out from the background.
    """
    background = np.median(_border(gray))
    if background - gray.min() > gray.max() - background:
        gray, background = -gray, -background
    darkest, brightest = np.percentile(_border(gray), (10, 90))
    if brightest - darkest > UNEVEN:
        # an opening removes what is narrower than its window, such as strokes, and keeps the shade
        window = min(gray.shape) // 2 + 1
        background = ndimage.grey_opening(ndimage.uniform_filter(gray, 3), (window, window))
        background = ndimage.uniform_filter(background, window)
    ink = np.maximum(gray - background, 0)
    if ink.max() < FAINTEST:
        raise InputError("empty: nothing on it stands out from its background")
    ink = _stretched(ink)
    ink[ink < NOISE] = 0
    return ink


def _stretched(ink: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Ink stretched to 0..1. The brightest hundredth is clipped, since it may be glare."""
    stretched: np.ndarray = np.minimum(ink / np.percentile(ink[ink > ink.max() / 4], 99), 1)
    return stretched


def extent(ink: Float32[np.ndarray, "h w"]) -> tuple[slice, slice, int]:
    """The rows and the columns that hold the ink, and the median height of digits in pixels; ink is in 0..1."""
    pieces, count = ndimage.label(ink > INK, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    places = ndimage.find_objects(pieces)
    rows, columns = zip(
        *(place for place, size in zip(places, sizes, strict=True) if size >= SPECK * sizes.max()), strict=True
    )
    heights = np.array([part.stop - part.start for part in rows])
    whole = heights[heights > heights.max() / 2]  # lower pieces may be parts of a digit
    return _hull(rows), _hull(columns), int(np.median(whole))


def _hull(parts: tuple[slice, ...]) -> slice:
    return slice(min(part.start for part in parts), max(part.stop for part in parts))


def stroke_width(ink: Float32[np.ndarray, "h w"], digit_height: int) -> float:
    """The width of strokes in pixels; ink is in 0..1.

    In a long bar w pixels wide, the mean distance from ink to background is w / 4 + 1 / 2. Digits twice as high as
    glyphs are measured on every second pixel, and so on, which bounds the time.
    """
    step = max(1, digit_height // SIDE)
    mask = np.pad(ink[::step, ::step] > INK, 1)
    return step * max(1.0, 4 * float(ndimage.distance_transform_edt(mask)[mask].mean()) - 2)


def _scale(shape: tuple[int, int], digit_height: int, wanted: StripFormat) -> float:
    """The factor by which to enlarge ink of this height and width.

    Raises:
        InputError: if the ink would be too wide for a strip.
    """
    scale = min(wanted.script.height / digit_height, wanted.height / shape[0])
    widest = (WIDEST - 2 * MARGIN - WIDTH_STEP if wanted.any_width else wanted.width) / shape[1]
    if widest < scale * (1 if wanted.any_width else MOST_SQUEEZED):
        room = WIDEST if wanted.any_width else wanted.width
        better = "" if wanted.any_width else "; a model whose head reads any width can read it"
        raise InputError(
            f"its row of digits is {shape[1] / digit_height:.1f} times as wide as they are high, too wide for a strip "
            f"of {room} x {wanted.height} pixels{better}"
        )
    return min(scale, widest)
