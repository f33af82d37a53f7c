"""Brings images of any size and polarity to strips that a model can read.

An image that is already a strip, of the model's height and with bright ink on black, stays as it is. In any other image
the row of digits is found on its sheet (`digitsum.reading.sheet`). A slanted row is turned. Digits are scaled to the
height that they had in training, and fine strokes are thickened to the width that they had there. The row is centered
on a black strip.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image
from scipy import ndimage

from digitsum.errors import InputError
from digitsum.reading.sheet import INK, SPECK, ink_of, pieces_of, sheet_of, stretched
from digitsum.strips.contrast import bright_on_black
from digitsum.strips.dataset import Description
from digitsum.strips.glyphs import SIDE
from digitsum.strips.sources import SOURCES
from digitsum.strips.sources.source import Script

# tests/test_images.py checks these numbers on enlarged, inverted, faint, shaded and noisy strips
FINE = 0.8  # share of the stroke width in training; finer strokes are thickened to it
SMALLEST = 6  # pixels: the least height of digits
FINE_SCALE = 2.5  # strokes are measured and thickened on digits so many times as high as in training
GAP = 0.12  # share of the row's height: the distance of pieces of one digit
FRAMED = 0.25  # share of a frame's height; what is lower is not framed by it
SQUARE = 0.9  # share of its box that a frame with its inside covers
FRINGE = 2  # pixels around removed lines
LONG = 2.5  # times its height: the least width of a row whose slant is measured
STRAIGHT, STEEPEST = 2.0, 20.0  # degrees: rows between them are turned
VIEWS = (0.88, 1.1)  # times the size of digits in training
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
    """A strip made from an image: pixel x of the strip shows pixel `left + x / scale` of the image.

    `as_given` is True for an image that was a strip already. `views` are further strips of the same image, on which
    digits are a little smaller or larger. A model that knows what it reads reads the same on all of them.
    """

    image: UInt8[np.ndarray, "h w"]
    left: float = 0.0
    scale: float = 1.0
    as_given: bool = False
    views: tuple["FittedStrip", ...] = ()

    def places(self, pixels: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Positions on the image, from its left edge, of positions on the strip."""
        return np.rint(self.left + pixels / self.scale).astype(np.int64)


def to_strip(image: UInt8[np.ndarray, "h w"], wanted: StripFormat, reduction: float = 1.0) -> FittedStrip:
    """The strip that shows the digits of an image as training strips show digits.

    Args:
        reduction: the pixels of the file that a pixel of the image stands for.

    Raises:
        InputError: if there is no ink on the image, or it does not fit on a strip. The message is the reason alone,
            without the name of a file.
    """
    if _is_strip(image, wanted):
        return FittedStrip(image, as_given=True)
    if image.shape[1] * wanted.script.height > image.shape[0] * WIDEST:
        raise InputError(f"{image.shape[1]} x {len(image)} pixels, too wide for its height; crop it to the digits")
    gray, _, left = sheet_of(image.astype(np.float32))
    ink = without_lines(ink_of(gray))
    ink, stretch = turned(ink)
    middle = gray.shape[1] / 2, ink.shape[1] / 2
    rows, columns, digit_height = extent(ink)
    if digit_height < SMALLEST:
        raise InputError(
            f"its digits are {round(digit_height * reduction)} pixels high, of {round(len(image) * reduction)}; "
            "crop it to them, or enlarge it"
        )
    ink = evened(ink, digit_height)[rows, columns]

    scale = _scale(ink.shape, digit_height, wanted)
    fine, fineness = _thickened(ink, digit_height, scale, wanted)
    start = left + middle[0] + (columns.start - middle[1]) * stretch

    def at(enlargement: float, views: tuple[FittedStrip, ...] = ()) -> FittedStrip:
        strip, strip_left, strip_scale = _strip_of(fine, scale * enlargement / fineness, wanted)
        its_scale = strip_scale * fineness / stretch
        return FittedStrip(strip, reduction * (start - strip_left / its_scale), its_scale / reduction, views=views)

    return at(1.0, tuple(map(at, VIEWS)))


def _strip_of(
    ink: Float32[np.ndarray, "h w"], scale: float, wanted: StripFormat
) -> tuple[UInt8[np.ndarray, "v u"], int, float]:
    """A strip with the ink in its middle, the pixel where the ink starts, and the scale, at which the ink fits."""
    scale = min(scale, wanted.height / ink.shape[0])
    if not wanted.any_width:
        scale = min(scale, wanted.width / ink.shape[1])
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    strip_width = wanted.width
    if wanted.any_width:
        strip_width = max(strip_width, width + 2 * MARGIN)
        strip_width += -strip_width % WIDTH_STEP
    top, left = (wanted.height - height) // 2, (strip_width - width) // 2
    strip = np.zeros((wanted.height, strip_width), np.uint8)
    strip[top : top + height, left : left + width] = np.rint(255 * stretched(_resized(ink, height, width)))
    return strip, left, scale


def _is_strip(image: UInt8[np.ndarray, "h w"], wanted: StripFormat) -> bool:
    height, width = image.shape
    fits = width == wanted.width or (wanted.any_width and wanted.width < width <= WIDEST)
    return height == wanted.height and fits and bool(bright_on_black(image[None])[0])


def without_lines(ink: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Ink without frames, without lines from one side to the other, and without what reaches in from three sides."""
    pieces = pieces_of(ink > INK)
    height, width = ink.shape
    top, bottom, left, right = pieces.boxes.T
    sides = np.stack([top == 0, bottom == height, left == 0, right == width])
    foreign = (
        (sides.sum(axis=0) >= 3) | (sides[2] & sides[3]) | (sides[0] & sides[1] & (pieces.heights > pieces.widths * 8))
    )
    whole = pieces.sizes >= SPECK * pieces.sizes.max(initial=0)
    largest = int((pieces.heights * pieces.widths).argmax())
    inside = (top > top[largest]) & (bottom < bottom[largest]) & (left > left[largest]) & (right < right[largest])
    if (inside & whole & (pieces.heights > FRAMED * pieces.heights[largest])).any():
        box = slice(top[largest], bottom[largest]), slice(left[largest], right[largest])
        filled = ndimage.binary_fill_holes(pieces.labels[box] == largest + 1)
        foreign[largest] |= filled.mean() > SQUARE
    if not foreign.any() or not (whole & ~foreign).any():
        return ink
    removed = np.concatenate([[False], foreign])[pieces.labels]
    kept = np.concatenate([[False], ~foreign])[pieces.labels]
    fringe = ndimage.binary_dilation(removed, np.ones((3, 3), bool), iterations=FRINGE) & ~kept
    return np.where(fringe, 0, ink)


def turned(ink: Float32[np.ndarray, "h w"]) -> tuple[Float32[np.ndarray, "v u"], float]:
    """Ink of a slanted row, turned about its middle until the row is level; and the cosine of the angle."""
    rows, columns, digit_height = extent(ink)
    if columns.stop - columns.start < LONG * digit_height:
        return ink, 1.0
    y, x = np.nonzero(ink[rows, columns] > INK)
    slope = np.polyfit(x, y, 1)[0]
    angle = np.degrees(np.arctan(slope))
    if not STRAIGHT <= abs(angle) <= STEEPEST:
        return ink, 1.0
    level = Image.fromarray(ink).rotate(angle, Image.Resampling.BILINEAR, expand=True)
    return np.asarray(level), float(np.cos(np.radians(angle)))


def evened(ink: Float32[np.ndarray, "h w"], digit_height: int) -> Float32[np.ndarray, "h w"]:
    """Ink with the same contrast everywhere; glare and a dry pen leave some digits fainter than others."""
    strongest = ndimage.maximum_filter(ink, digit_height)
    even: np.ndarray = np.minimum(ink / np.maximum(ndimage.uniform_filter(strongest, digit_height), INK), 1)
    return even


def extent(ink: Float32[np.ndarray, "h w"]) -> tuple[slice, slice, int]:
    """The rows and the columns that hold the ink, and the median height of digits in pixels; ink is in 0..1."""
    mask = ink > INK
    pieces = pieces_of(mask)
    large = pieces.sizes >= SPECK * pieces.sizes.max()
    top, bottom, left, right = pieces.boxes[large].T
    # a digit may be in pieces, which are close to each other
    gap = max(1, round(GAP * (bottom.max() - top.min())))
    close, _ = ndimage.label(ndimage.maximum_filter(mask, (gap, 1 + gap // 2)), np.ones((3, 3)))
    heights = np.array([rows.stop - rows.start for rows, _ in ndimage.find_objects(close * mask)])
    whole = heights[heights > heights.max() / 2]  # lower pieces may be parts of a digit
    return slice(top.min(), bottom.max()), slice(left.min(), right.max()), int(np.median(whole))


def stroke_width(ink: Float32[np.ndarray, "h w"], digit_height: int) -> float:
    """The width of strokes in pixels; ink is in 0..1.

    In a long bar w pixels wide, the mean distance from ink to background is w / 4 + 1 / 2. Digits twice as high as
    glyphs are measured on every second pixel, and so on, which bounds the time.
    """
    step = max(1, digit_height // SIDE)
    mask = np.pad(ink[::step, ::step] > INK, 1)
    return step * max(1.0, 4 * float(ndimage.distance_transform_edt(mask)[mask].mean()) - 2)


def _thickened(
    ink: Float32[np.ndarray, "h w"], digit_height: int, scale: float, wanted: StripFormat
) -> tuple[Float32[np.ndarray, "v u"], float]:
    """Ink with strokes at least FINE times as wide as in training, and the factor by which it was reduced.

    It is at most FINE_SCALE times as large as on the strip.

    The reduction closes pinholes in strokes and averages grain, which would be enlarged with the strokes.
    """
    fine = min(1.0, FINE_SCALE * scale)
    ink = _resized(ink, *(max(1, round(side * fine)) for side in ink.shape))
    if not (ink > INK).any():
        return ink, fine
    ink = stretched(ink)
    width = stroke_width(ink, round(digit_height * fine))
    thicker = round(FINE * wanted.script.stroke * fine / scale - width)
    return (ndimage.maximum_filter(ink, 1 + thicker) if thicker > 0 else ink), fine


def _resized(ink: Float32[np.ndarray, "h w"], height: int, width: int) -> Float32[np.ndarray, "{height} {width}"]:
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))


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
