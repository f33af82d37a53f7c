"""Reads image files and .npy files as gray images in 0..255.

Large images are reduced while they are decoded, since digits need few pixels and floats need much memory.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError, features

from digitsum.errors import InputError, one_line
from digitsum.formats import read_array

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF", "BMP")  # of an animation the first frame, of a TIFF a page
EXPECTED = "a PNG, JPEG, WebP, TIFF, GIF, AVIF, BMP or .npy file is expected"
MOST_PIXELS = 64_000_000  # in an image, checked before it is decoded; phone cameras have 50 million
MOST_BYTES = 200_000_000  # in a file that is not memory-mapped
MOST_PIXELS_OF = {"WEBP": 24_000_000, "AVIF": 24_000_000}  # their decoders hold an image several times
WORKING_SIDE = 384  # pixels: larger images are reduced until their shorter side is less than twice this
WORKING_PIXELS = 2_000_000  # to which longer images are reduced
CHUNK = 1_000_000  # pixels that are scaled at once
ROUNDING = 0.001  # share of the range by which floats may leave it
COLORFUL = 4.0  # times the variance of the luminance: from this variance of a color on, ink is seen by its color
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R 601-2, as in Pillow

HEIC = b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"


class GrayImage(NamedTuple):
    """A gray image; each of its pixels stands for `reduction` x `reduction` pixels of the file."""

    pixels: UInt8[np.ndarray, "h w"]
    reduction: float = 1.0


class ArrayImages(Sequence[GrayImage]):
    """The images in an array, each of which is scaled to 0..255 when it is needed."""

    def __init__(self, array: Shaped[np.ndarray, "n h w"], factor: float):
        self._array, self._factor = array, factor

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, index: int) -> GrayImage: ...
    @overload
    def __getitem__(self, index: slice) -> "ArrayImages": ...
    def __getitem__(self, index: int | slice) -> "GrayImage | ArrayImages":
        if isinstance(index, slice):
            return ArrayImages(self._array[index], self._factor)
        image = self._array[index]
        pixels = image if image.dtype == np.uint8 and self._factor == 1 else _scaled(image, self._factor)
        return _reduced(Image.fromarray(pixels)) if _reduction(*pixels.shape) > 1 else GrayImage(pixels)

    def __iter__(self) -> Iterator[GrayImage]:
        return (self[index] for index in range(len(self)))


def read_images(path: Path) -> Sequence[GrayImage]:
    """The image in a file, or all images in a .npy file, which stays memory-mapped.

    Raises:
        InputError: if the file is missing, damaged, too large, or in another format.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; name the images in it")
    if path.suffix == ".npy":
        return from_array(read_array(path), str(path))
    try:
        size = (
            path.stat().st_size or MOST_BYTES
        )  # a pipe has size 0; read() reserves all the memory that it is asked for
        with path.open("rb") as file:
            return decode(file.read(min(size, MOST_BYTES) + 1), str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def decode(content: bytes, name: str) -> Sequence[GrayImage]:
    """The images in the content of a file; errors call the file `name`.

    Raises:
        InputError: if the content is damaged, too large, or in another format.
    """
    if not content:
        raise InputError(f"{name}: empty; {EXPECTED}")
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: more than {MOST_BYTES // 1_000_000} MB; make it smaller")
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
        except Exception as error:  # whatever NumPy raises on foreign bytes
            raise InputError(f"{name}: truncated, or not a plain .npy array ({one_line(error, 120)})") from error
        return from_array(array, name)
    if (foreign := _foreign_format(content)) is not None:
        raise InputError(f"{name}: {foreign}, which is not read here; save it as PNG or JPEG")
    try:
        with warnings.catch_warnings(category=Image.DecompressionBombWarning, action="ignore"):
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: {_too_large(MOST_PIXELS)}") from error
    except Exception as error:  # whatever a decoder raises on foreign bytes
        known = not isinstance(error, UnidentifiedImageError)
        reason = f"damaged ({one_line(error, 120)})" if known else "not an image, or damaged"
        raise InputError(f"{name}: {reason}; {EXPECTED}") from error
    most = MOST_PIXELS_OF.get(picture.format or "", MOST_PIXELS)
    if picture.width * picture.height > most:
        raise InputError(f"{name}: {_too_large(most)}")
    try:
        with warnings.catch_warnings(action="ignore"):  # decoders warn of damage that does not stop them
            return [_of_picture(picture, name)]
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: truncated or damaged ({one_line(error, 120)})") from error


def from_array(array: Shaped[np.ndarray, "..."], name: str) -> Sequence[GrayImage]:
    """An array (height, width) or (n, height, width), or the uint8 colors (height, width, 3), as images.

    Values are in 0..1, 0..255 or 0..65535. In an array with a greater range than 0..255, the brightest becomes 255.

    Raises:
        InputError: if the array has another shape, type or range, or images with too many pixels.
    """
    if 0 in array.shape or array.ndim not in (2, 3):
        raise InputError(
            f"{name}: an array of shape {array.shape}; (height, width), (height, width, 3) or (n, height, width) "
            "expected"
        )
    if array.dtype.kind not in "buif":
        raise InputError(f"{name}: an array of {array.dtype}; numbers expected")
    color = array.ndim == 3 and array.shape[2] in (3, 4)
    height, width = array.shape[:2] if color else array.shape[-2:]
    if height * width > MOST_PIXELS:
        raise InputError(f"{name}: {_too_large(MOST_PIXELS)}")
    if color:
        if array.dtype != np.uint8:
            raise InputError(
                f"{name}: colors of {array.dtype}, shape {array.shape}; colors of uint8 in 0..255 expected"
            )
        return [_of_picture(Image.fromarray(np.ascontiguousarray(array)), name)]
    return ArrayImages(array[None] if array.ndim == 2 else array, _factor(array, name))


def _too_large(most: int) -> str:
    return f"more than {most // 1_000_000} million pixels; crop it to the digits, or make it smaller"


def _foreign_format(content: bytes) -> str | None:
    """The name of a format that people do have, and that is not read."""
    if content[4:8] == b"ftyp":
        if content[8:12] in HEIC:
            return "a HEIC image"
        if content[8:12] in (b"avif", b"avis") and not features.check("avif"):
            return "an AVIF image"
    start = content[:400].lstrip().lower()
    if start.startswith(b"%pdf"):
        return "a PDF document"
    return "an SVG drawing" if b"<svg" in start else None


def _of_picture(picture: Image.Image, name: str) -> GrayImage:
    width, orientation = picture.width, picture.getexif().get(0x0112, 1)
    factor = _reduction(*picture.size)
    picture.draft(None, (picture.width // factor, picture.height // factor))  # a JPEG may be decoded reduced
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        values = np.asarray(picture)
        picture = Image.fromarray(_scaled(values, _factor(values, name)))
    elif picture.has_transparency_data:
        picture = _on_page(picture)
    elif picture.mode in ("1", "P", "PA"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    small = picture.reduce(_reduction(*picture.size))
    if small.mode not in ("L", "RGB"):
        small = small.convert("RGB")
    small.getexif()[0x0112] = orientation
    reduction = width / small.width
    small = ImageOps.exif_transpose(small)
    return GrayImage(np.array(small) if small.mode == "L" else _gray_of_colors(small), reduction)


def _reduction(width: int, height: int) -> int:
    """The factor by which an image of this size is reduced."""
    return max(1, min(width, height) // WORKING_SIDE, math.ceil(math.sqrt(width * height / WORKING_PIXELS)))


def _reduced(picture: Image.Image) -> GrayImage:
    small = picture.reduce(_reduction(*picture.size))
    return GrayImage(np.asarray(small), picture.width / small.width)


def _on_page(picture: Image.Image) -> Image.Image:
    """A transparent image on a page: bright ink is meant for a dark page, and dark ink for a bright one."""
    picture = picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")
    gray, alpha = picture.convert("L"), picture.getchannel("A")
    factor = _reduction(*picture.size)
    shades, solid = (np.asarray(band.reduce(factor)) for band in (gray, alpha))
    solid = solid > 127
    page = Image.new("L", picture.size, 0 if solid.any() and np.median(shades[solid]) > 127 else 255)
    page.paste(gray, mask=alpha)
    return page


def _gray_of_colors(picture: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """The luminance; or, where ink differs from paper in color alone, the direction in which colors vary most.

    Shade varies slowly, so colors are compared with those around them.
    """
    window = max(1, min(picture.size) // 4)
    around = np.asarray(picture.filter(ImageFilter.BoxBlur(window)), np.float32)
    colors: Float32[np.ndarray, "h w 3"] = np.asarray(picture, np.float32)
    covariance = np.cov((colors - around).reshape(-1, 3).T)
    variances, directions = np.linalg.eigh(covariance)
    seen = LUMINANCE @ covariance @ LUMINANCE / (LUMINANCE @ LUMINANCE)
    if variances[-1] < COLORFUL * max(float(seen), 1.0):
        return np.array(picture.convert("L"))
    along = colors @ directions[:, -1].astype(np.float32)
    along -= along.min()
    return np.rint(along * min(1.0, 255 / float(along.max()))).astype(np.uint8)


def _factor(array: Shaped[np.ndarray, "..."], name: str) -> float:
    """By what to multiply the values of an array.

    Raises:
        InputError: if they are in no range that images have.
    """
    lowest, highest = (float(bound) for bound in (array.min(), array.max()))
    slack = ROUNDING * (1 if highest < 2 else 255) if array.dtype.kind == "f" else 0
    if not (lowest >= -slack and highest <= 65535):
        raise InputError(f"{name}: values from {lowest:g} to {highest:g}; 0..1, 0..255 or 0..65535 expected")
    if highest <= 1 + slack:
        return 255.0
    return 1.0 if highest <= 255 + slack else 255 / highest


def _scaled(values: Shaped[np.ndarray, "h w"], factor: float) -> UInt8[np.ndarray, "h w"]:
    """Values times a factor, without a copy of them all in floats."""
    scaled = np.empty(values.shape, np.uint8)
    rows = max(1, CHUNK // values.shape[1])
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        scaled[part] = np.rint(np.clip(values[part] * factor, 0, 255))
    return scaled
