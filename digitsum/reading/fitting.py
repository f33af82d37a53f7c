"""Brings images of any size and polarity to strips that a model can read.

What is a strip already, of the model's height with bright ink on black, is left as it is. From any other image the
background is taken away, be it light or dark, even or shaded; ink is stretched to full contrast; digits are scaled to
the height that they had in training, and fine strokes thickened to theirs; and the row of them is centred on a black
strip.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Num, UInt8
from PIL import Image
from scipy import ndimage

from digitsum.errors import InputError
from digitsum.strips.dataset import Description
from digitsum.strips.sources import SOURCES, Script

DARK, BRIGHT = 8, 128  # grey levels of the background and the ink of what is a strip already
FAINTEST = 24  # grey levels between ink and background; less is noise of a sensor or of JPEG
UNEVEN = 12  # grey levels between a bright and a dark border pixel, from which on shade is evened out
NOISE = 0.1  # of full contrast; less is made black
INK = 0.35  # of full contrast; less is not counted when ink is measured
FINE = 0.6  # of the width of strokes in training; finer ones are thickened to it
SPECK = 0.02  # of the largest piece of ink; smaller ones are dirt, and may be cut off
SMALLEST = 6  # pixels: the least height of digits
MEASURED_HEIGHT = 28  # pixels: digits that are twice as high are measured on every second pixel, and so on
WORKING_SIDE = 384  # pixels: larger images are reduced until their shorter side is about that
MARGIN = 8  # pixels left and right of the ink, at least
WIDEST = 4096  # pixels of a strip: about a hundred digits
MOST_SQUEEZED = 0.6  # of their height in training: digits on a strip of one width


@dataclass(frozen=True)
class Form:
    """What a model reads: strips of one height, and of one width unless `any_width`, with digits of a script."""

    height: int
    width: int
    script: Script
    any_width: bool

    @classmethod
    def of(cls, data: Description, any_width: bool) -> "Form":
        """
        Raises:
            InputError: if the model is of a source that this version does not have.
        """
        if data.source not in SOURCES:
            raise InputError(
                f"{data.source}: the source of what the model learnt from, which is not among {[*SOURCES]}"
            )
        return cls(data.height, data.width, SOURCES[data.source].script, any_width)


@dataclass(frozen=True)
class Strip:
    """Pixel x of `image` shows pixel `left + x / scale` of what it was made of."""

    image: UInt8[np.ndarray, "h w"]
    left: float = 0.0
    scale: float = 1.0

    def places(self, pixels: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Where pixels of the strip are on the original, from its left edge."""
        return np.rint(self.left + pixels / self.scale).astype(np.int64)


def to_strip(image: UInt8[np.ndarray, "h w"], form: Form) -> Strip:
    """
    Raises:
        InputError: if there is no ink on the image, or it does not fit a strip; the reason, which names no file.
    """
    if _is_strip(image, form):
        return Strip(image)
    if image.shape[1] * form.script.height > image.shape[0] * WIDEST:
        raise InputError(f"{image.shape[1]} x {image.shape[0]} pixels, too wide for its height; crop it to the digits")
    factor = max(1, min(image.shape) // WORKING_SIDE)
    ink = _ink(np.asarray(Image.fromarray(image).reduce(factor) if factor > 1 else image, np.float32))
    rows, columns, digit = _extent(ink)
    if digit < SMALLEST:
        raise InputError(
            f"its digits are {digit * factor} pixels high, of {len(image)}; crop it to them, or enlarge it"
        )
    ink = ink[rows, columns]

    scale = _scale(ink.shape, digit, form)
    if (thicker := round(FINE * form.script.stroke / scale - _stroke(ink, digit))) > 0:
        ink = ndimage.maximum_filter(ink, 1 + thicker)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
    breadth = form.width
    if form.any_width:
        breadth = max(breadth, width + 2 * MARGIN)
        breadth += -breadth % MARGIN  # few different widths, so that images share batches
    top, left = (form.height - height) // 2, (breadth - width) // 2
    strip = np.zeros((form.height, breadth), np.uint8)
    strip[top : top + height, left : left + width] = np.rint(255 * _stretched(small))
    return Strip(strip, factor * (columns.start - left / scale), scale / factor)


def _is_strip(image: UInt8[np.ndarray, "h w"], form: Form) -> bool:
    height, width = image.shape
    fits = width == form.width or (form.any_width and form.width < width <= WIDEST)
    return height == form.height and fits and bool((_border(image) <= DARK).mean() >= 0.5 and image.max() >= BRIGHT)


def _border(image: Num[np.ndarray, "h w"]) -> Num[np.ndarray, " b"]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _ink(grey: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How much ink there is, 0..1, where the border of the image tells what the background is.

    Raises:
        InputError: if nothing stands out.
    """
    background = np.median(_border(grey))
    if background - grey.min() > grey.max() - background:
        grey, background = -grey, -background
    darkest, brightest = np.percentile(_border(grey), (10, 90))
    if brightest - darkest > UNEVEN:
        # an opening takes away all that is narrower than its window, so strokes, and keeps the shade
        window = min(grey.shape) // 2 + 1
        background = ndimage.grey_opening(ndimage.uniform_filter(grey, 3), (window, window))
        background = ndimage.uniform_filter(background, window)
    ink = np.maximum(grey - background, 0)
    if ink.max() < FAINTEST:
        raise InputError("empty: nothing on it stands out from its background")
    ink = _stretched(ink)
    ink[ink < NOISE] = 0
    return ink


def _stretched(ink: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """To 0..1, but for the hundredth of it that is brightest: that may be glare."""
    stretched: np.ndarray = np.minimum(ink / np.percentile(ink[ink > ink.max() / 4], 99), 1)
    return stretched


def _extent(ink: Float32[np.ndarray, "h w"]) -> tuple[slice, slice, int]:
    """The rows and columns with ink on them, and the median height of digits."""
    pieces, count = ndimage.label(ink > INK, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    places = ndimage.find_objects(pieces)
    rows, columns = zip(
        *(place for place, size in zip(places, sizes, strict=True) if size >= SPECK * sizes.max()), strict=True
    )
    heights = np.array([part.stop - part.start for part in rows])
    whole = heights[heights > heights.max() / 2]  # a digit may be in pieces
    return _hull(rows), _hull(columns), int(np.median(whole))


def _hull(parts: tuple[slice, ...]) -> slice:
    return slice(min(part.start for part in parts), max(part.stop for part in parts))


def _stroke(ink: Float32[np.ndarray, "h w"], digit: int) -> float:
    """The width of strokes, in pixels, where digits are so high: about four times the mean distance to the paper."""
    step = max(1, digit // MEASURED_HEIGHT)
    mask = np.pad(ink[::step, ::step] > INK, 1)
    return step * max(1.0, 4 * float(ndimage.distance_transform_edt(mask)[mask].mean()) - 2)


def _scale(shape: tuple[int, int], digit: int, form: Form) -> float:
    """By how much ink of this height and width, whose digits are so high, is to be enlarged.

    Raises:
        InputError: if it would be too wide.
    """
    scale = min(form.script.height / digit, form.height / shape[0])
    widest = (WIDEST - 3 * MARGIN if form.any_width else form.width) / shape[1]
    if widest < scale * (1 if form.any_width else MOST_SQUEEZED):
        room = WIDEST if form.any_width else form.width
        better = "" if form.any_width else "; a model with the head columns reads any width"
        raise InputError(
            f"its row of digits is {shape[1] / digit:.1f} times as wide as they are high, too wide for a strip of "
            f"{room} x {form.height} pixels{better}"
        )
    return min(scale, widest)
