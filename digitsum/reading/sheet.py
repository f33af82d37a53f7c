"""Finds the ink on an image: which part is the sheet, how bright its background is, and what stands out from it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Num
from scipy import ndimage

from digitsum.errors import InputError

FAINTEST = 24  # gray levels between ink and background; smaller differences are noise of a sensor or of JPEG
UNEVEN = 12  # gray levels between a bright and a dark border pixel; from this difference on, shade is evened out
NOISE = 0.1  # share of full contrast; fainter ink is made black
GRAINY = 4.0  # standard deviations of the background; fainter ink is made black
INK = 0.35  # share of full contrast; fainter ink does not count when digits and strokes are measured
SPECK = 0.02  # share of the largest piece's area; smaller pieces are dirt, and may be cropped away
MOST_PIECES = 250  # of ink; more are grain, or noise
SMOOTHING = (0.0, 1.0, 2.0, 4.0)  # pixels: deviations of a Gaussian filter, tried in this order
LEAST_SHEET = 0.15  # share of the image; a smaller bright region is no sheet of paper
MOST_SHEET = 0.97  # share of the image
SOLID = 0.7  # share of a sheet that is paper; ink covers the rest
CONVEX = 0.93  # share of its convex hull that a sheet covers
SHARP = 0.5  # contrast at the edge of a sheet, as a share of that between dark and bright; shade has soft edges
LEAST_INK = 0.12  # share of a sheet's height; lower ink is dirt
LEAST_SIDE = 20  # pixels; a lower image shows no sheet with something around it
OPPOSITE = (True, True, False, False), (False, False, True, True)  # of top, bottom, left and right
SMALL_SIDE = 120  # pixels: the shorter side of the image, reduced, on which a sheet is looked for
WINDOW = 3  # the background is what is wider than 1 / WINDOW of the image's shorter side


class Pieces(NamedTuple):
    """Connected pieces of ink; number 0 of `labels` is the background, and piece i has the number i + 1."""

    labels: Num[np.ndarray, "h w"]
    sizes: Num[np.ndarray, " p"]  # pixels
    boxes: Num[np.ndarray, "p 4"]  # top, bottom, left, right; bottom and right are exclusive

    @property
    def heights(self) -> Num[np.ndarray, " p"]:
        heights: np.ndarray = self.boxes[:, 1] - self.boxes[:, 0]
        return heights

    @property
    def widths(self) -> Num[np.ndarray, " p"]:
        widths: np.ndarray = self.boxes[:, 3] - self.boxes[:, 2]
        return widths


def pieces_of(mask: Bool[np.ndarray, "h w"]) -> Pieces:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    found = ndimage.find_objects(labels)
    boxes = np.array([(y.start, y.stop, x.start, x.stop) for y, x in found], int).reshape(-1, 4)
    return Pieces(labels, sizes, boxes)


def border(image: Num[np.ndarray, "h w"]) -> Num[np.ndarray, " b"]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def ink_of(gray: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How much ink each pixel has, 0..1. The border of the image shows what the background is.

    Grain and dither are smoothed as much as it takes until ink is in few pieces.

    Raises:
        InputError: if nothing stands out from the background, or the ink stays in too many pieces.
    """
    count = 0
    for sigma in SMOOTHING:
        ink = _ink_of(ndimage.gaussian_filter(gray, sigma) if sigma else gray)
        count = ndimage.label(ink > INK, np.ones((3, 3)))[1]
        if count <= MOST_PIECES:
            return ink
    raise InputError(f"{count:,} separate pieces of ink, which are a pattern or noise, and no row of digits")


def _ink_of(gray: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    level = np.median(border(gray))
    darkest, brightest = np.percentile(border(gray), (10, 90))
    window = max(3, min(gray.shape) // WINDOW)
    uneven = brightest - darkest > UNEVEN
    if uneven:  # the edge of a shadow has as many bright pixels as dark ones beside it, and strokes do not
        around = gray - ndimage.uniform_filter(gray, window)
        bright = float(np.mean(around**3)) > 0
    else:
        bright = level - gray.min() <= gray.max() - level
    if not bright:
        gray, level = -gray, -level
    background = np.full_like(gray, level)
    if uneven:
        # an opening removes what is narrower than its window, such as strokes, and keeps the edges of shadows; beyond
        # the border, the image goes on, or the corner of a shadow would be narrower than the window
        padded = np.pad(ndimage.median_filter(gray, 3), window, mode="edge")
        background = ndimage.grey_opening(padded, (window, window))[window:-window, window:-window]
    ink = gray - background
    ink -= np.median(ink)
    if ink.max() < FAINTEST:
        raise InputError("empty: nothing on it stands out from its background")
    if not bright:  # a shadow darkens ink by the same share as paper
        ink /= np.maximum(-background, FAINTEST)
    deviation = 1.48 * np.median(np.abs(ink))  # of normally distributed grain; ink is rarer than that
    ink = np.maximum(ink, 0)
    grain = GRAINY * deviation / np.percentile(ink[ink > ink.max() / 4], 99)
    ink = stretched(ink)
    ink[ink < np.clip(grain, NOISE, INK)] = 0
    return ink


def stretched(ink: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Ink stretched to 0..1. The brightest hundredth is clipped, since it may be glare."""
    result: np.ndarray = np.minimum(ink / np.percentile(ink[ink > ink.max() / 4], 99), 1)
    return result


class Sheet(NamedTuple):
    """The part of an image that holds the sheet; what lies around the sheet has the brightness of its edge."""

    gray: Float32[np.ndarray, "h w"]
    top: int  # pixels of the image
    left: int


def sheet_of(gray: Float32[np.ndarray, "h w"]) -> Sheet:
    """The sheet on a desk or between bars; the whole image if there is no such sheet with ink on it.

    A sheet is a large convex region with a sharp edge. It has ink on it, and touches no side of the image, one, or two
    opposite ones. A shadow's edge reaches other sides.
    """
    step = max(1, min(gray.shape) // SMALL_SIDE)
    small = ndimage.uniform_filter(gray, step)[::step, ::step] if step > 1 else gray
    small = ndimage.median_filter(small, 3)
    if np.ptp(small) < FAINTEST or min(small.shape) < LEAST_SIDE:
        return Sheet(gray, 0, 0)
    threshold = otsu(small)
    for mask in (small > threshold, small <= threshold):
        region = _sheet_among(mask, small)
        if region is not None:
            whole = region.repeat(step, axis=0).repeat(step, axis=1)[: gray.shape[0], : gray.shape[1]]
            return _cut(gray, whole, 2 * step + 1)
    return Sheet(gray, 0, 0)


def otsu(gray: Float32[np.ndarray, "h w"]) -> float:
    """The threshold between dark and bright with the greatest variance between the two (Otsu, 1979)."""
    counts, edges = np.histogram(gray, 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(variance[:-1])])


def _sheet_among(mask: Bool[np.ndarray, "h w"], gray: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
    """The sheet if the largest piece of the mask is one: with its ink, and without the pixels along its edge."""
    pieces = pieces_of(mask)
    if not len(pieces.sizes):
        return None
    largest = int(pieces.sizes.argmax())
    top, bottom, left, right = pieces.boxes[largest].tolist()
    height, width = mask.shape
    sides = top == 0, bottom == height, left == 0, right == width
    paper = pieces.labels == largest + 1
    region = ndimage.binary_fill_holes(paper)
    area = region.sum()
    if not LEAST_SHEET * mask.size <= area <= MOST_SHEET * mask.size or paper.sum() < SOLID * area:
        return None
    if sum(sides) > 1 and sides not in OPPOSITE:
        return None
    corners = np.argwhere(region ^ ndimage.binary_erosion(region))
    from scipy.spatial import ConvexHull  # costs a tenth of a second and 12 MB, and few images come here

    if area < CONVEX * ConvexHull(corners).volume:
        return None
    inside = ndimage.binary_erosion(region, iterations=2, border_value=1)
    outside = ndimage.binary_dilation(region, iterations=2)
    rim, around = paper & ~inside, outside & ~region
    if abs(np.median(gray[rim]) - np.median(gray[around])) < SHARP * abs(gray[mask].mean() - gray[~mask].mean()):
        return None
    ink = pieces_of(inside & ~mask)
    return inside if (ink.heights >= LEAST_INK * (bottom - top)).any() else None


def _cut(gray: Float32[np.ndarray, "h w"], region: Bool[np.ndarray, "h w"], edge: int) -> Sheet:
    """The box around a region, with the nearest pixel of the region wherever there is none of it."""
    region = ndimage.binary_erosion(region, iterations=edge, border_value=1)
    (box,) = ndimage.find_objects(region.astype(int))
    nearest = ndimage.distance_transform_edt(~region[box], return_distances=False, return_indices=True)
    return Sheet(gray[box][tuple(nearest)], box[0].start, box[1].start)
